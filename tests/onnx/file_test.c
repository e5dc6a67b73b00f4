/* wn_graph_load and the file system: what is opened, and that nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "graph.h"
#include "nets.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/whynot-onnx-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, struct wire bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (bytes.n) assert_int_equal(fwrite(bytes.data, 1, bytes.n, f), bytes.n);
    fclose(f);
    wire_free(&bytes);
}

static void load_refused(enum wn_code code, const char *path, const struct wn_graph_options *options, const char *about)
{
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    enum wn_code got = wn_graph_load(path, options, &g, &err);
    if (got != code || !strstr(err.text, about))
        fail_msg("wanted %s about '%s', got %s: %s", wn_code_name(code), about, wn_code_name(got), err.text);
}

static void a_file_is_loaded_as_its_bytes_are_parsed(void **state)
{
    (void)state;
    struct wire model = nets[0].make();
    struct wn_graph *parsed = NULL, *loaded = NULL;
    struct wn_error err = {0};
    if (wn_graph_parse(model.data, model.n, NULL, &parsed, &err) != WN_OK) fail_msg("%s", err.text);
    const char *path = path_of("model.onnx");
    write_file(path, model);
    if (wn_graph_load(path, NULL, &loaded, &err) != WN_OK) fail_msg("%s", err.text);
    assert_string_equal(wn_graph_sha256(parsed), wn_graph_sha256(loaded));
    assert_int_equal(wn_graph_layers(parsed), wn_graph_layers(loaded));
    wn_graph_destroy(parsed);
    wn_graph_destroy(loaded);
    unlink(path);
}

static void what_is_no_model_file_is_refused(void **state)
{
    (void)state;
    load_refused(WN_NOT_FOUND, path_of("none.onnx"), NULL, "'none.onnx'");
    load_refused(WN_BAD_MODEL, folder, NULL, "not a regular file");
    load_refused(WN_BAD_MODEL, "/dev/zero", NULL, "not a regular file");
    const char *path = path_of("empty.onnx");
    write_file(path, (struct wire){0});
    load_refused(WN_BAD_MODEL, path, NULL, "no graph");
    unlink(path);
}

static void a_pipe_is_refused_without_waiting(void **state)
{
    (void)state;
    const char *path = path_of("pipe.onnx");
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(5);
    load_refused(WN_BAD_MODEL, path, NULL, "not a regular file");
    alarm(0);
    unlink(path);
}

static void a_file_over_the_limit_is_refused_unread(void **state)
{
    (void)state;
    const char *path = path_of("large.onnx");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(ftruncate(fd, (INT64_C(1) << 30) + 1), 0);
    close(fd);
    load_refused(WN_BAD_MODEL, path, NULL, "the limit is 1073741824");
    unlink(path);
}

/* ---- nothing but the one file ---- */

#define REFUSE(call)                                                                                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* From here on opening anything or making a socket kills the process. */
static void forbid_opening(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_open
        REFUSE(SYS_open),
        REFUSE(SYS_creat),
#endif
        REFUSE(SYS_openat),
        REFUSE(SYS_socket),
        REFUSE(SYS_execve),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

/* Exit status of a child that runs `act` with opening forbidden; -1: it was killed. */
static int act_confined(int (*act)(const void *arg), const void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSYS, SIG_DFL);
        forbid_opening();
        _exit(act(arg));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int open_something(const void *path)
{
    return open(path, O_RDONLY) < 0;
}

static int parse_it(const void *model)
{
    const struct wire *w = model;
    struct wn_graph *g = NULL;
    return (int)wn_graph_parse(w->data, w->n, NULL, &g, NULL);
}

enum where { INITIALIZER, CONSTANT, SPARSE, NESTED, PLACES };

static struct wire external_tensor(const char *location)
{
    struct wire tensor = wire_tensor("w", WIRE_F32, 1, DIMS(4)), entry = {0};
    wire_string(&entry, 1, "location");
    wire_string(&entry, 2, location);
    wire_add(&tensor, 13, entry);
    wire_varint(&tensor, 14, 1);
    return tensor;
}

/* A model whose tensor lies in another file. */
static struct wire external(const char *location, enum where where)
{
    struct wire graph = {0}, tensor = external_tensor(location), more = {0}, attr = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_node(&graph, wire_node("Mul", "m", "x,w", "y"));
    wire_graph_output(&graph, "y");
    if (where == INITIALIZER) wire_graph_initializer(&graph, tensor);
    if (where == CONSTANT) {
        more = wire_node("Constant", "c", "", "w");
        wire_attr_tensor(&more, "value", tensor);
        wire_graph_node(&graph, more);
    }
    if (where == SPARSE) {
        wire_add(&more, 1, tensor);
        wire_add(&graph, 15, more);
    }
    if (where == NESTED) {
        struct wire node = wire_node("If", "i", "x", "w");
        wire_graph_initializer(&more, tensor);
        wire_string(&attr, 1, "then_branch");
        wire_add(&attr, 6, more);
        wire_add(&node, 5, attr);
        wire_graph_node(&graph, node);
    }
    return wire_model(13, graph);
}

static void external_data_is_refused_without_opening_anything(void **state)
{
    (void)state;
    static const char *const locations[] = {"/etc/hostname", "../../etc/passwd", "/proc/self/environ", "w.bin"};
    int control = act_confined(open_something, "/etc/hostname");
    if (control == 77) skip();
    assert_int_equal(control, -1);
    for (size_t i = 0; i < sizeof locations / sizeof *locations * PLACES; i++) {
        struct wire model = external(locations[i / PLACES], (enum where)(i % PLACES));
        assert_int_equal(act_confined(parse_it, &model), WN_BAD_MODEL);
        wire_free(&model);
    }
    struct wire good = nets[0].make();
    assert_int_equal(act_confined(parse_it, &good), WN_OK);
    wire_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_loaded_as_its_bytes_are_parsed),
        cmocka_unit_test(what_is_no_model_file_is_refused),
        cmocka_unit_test(a_pipe_is_refused_without_waiting),
        cmocka_unit_test(a_file_over_the_limit_is_refused_unread),
        cmocka_unit_test(external_data_is_refused_without_opening_anything),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
