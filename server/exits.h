/* What the exit code of whynotd says: one table for the daemon, its help and the documentation. */
#ifndef WN_SERVER_EXITS_H
#define WN_SERVER_EXITS_H

#define WN_EXITS(X)                                                                                                    \
    X(STOPPED, 0, "stopped as asked")                                                                                  \
    X(CANNOT_START, 1, "could not start or serve")                                                                     \
    X(BAD_OPTION, 2, "an option is wrong")                                                                             \
    X(NO_MODEL, 3, "no model could be loaded")                                                                         \
    X(START_AGAIN, 70, "the device was lost, or an inner contradiction was met: start it again")                       \
    X(GAVE_UP, 71, "the supervisor gave up: the worker ended too often")

enum wn_exit {
#define X(name, number, words) WN_EXIT_##name = number,
    WN_EXITS(X)
#undef X
};

#endif
