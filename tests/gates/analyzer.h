/* What an analyzer that sees one file at a time has to be told of the others: that whoever reports a failure gives
 * its code back, or false, or no value. What knows none of these headers reports no failures. */
#if __has_include(<whynot/error.h>)
#include "../../clients/whynot/cli.h"
#define wn_fail(err, code, ...) (wn_fail(err, code, __VA_ARGS__), (code))
#define cli_fail(code, ...) (cli_fail(code, __VA_ARGS__), (code))
#endif

#if __has_include(<ops/op.h>)
#include "../../kernels/ops/op.h"
#define wn_program_fail(program, code, ...) (wn_program_fail(program, code, __VA_ARGS__), WN_NONE)
#define wn_op_fail(lower, code, ...) (wn_op_fail(lower, code, __VA_ARGS__), false)
#endif

#if __has_include(<media/buffer.h>)
#include "../../server/problem.h"
#define wn_problem_set(problem, pointer, code, ...) (wn_problem_set(problem, pointer, code, __VA_ARGS__), (code))
#endif
