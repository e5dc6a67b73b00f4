#!/usr/bin/env python3
"""G16: what is seen without running. Quick: how the programs are linked and hardened, and warnings. --full: frames, gcc's analyzer, cppcheck and
clang-tidy, where they are installed. A finding that is none is justified where it is: its line, or the one above, says "analyzer: WHY" in a comment."""
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from gate import FULL, HERE, ROOT, figure, finish, is_sanitized, skip

BUILD = os.path.dirname(os.path.dirname(os.path.abspath(os.environ["WHYNOTD"])))
WARNINGS = "-Wall -Wextra -Wconversion -Wvla -Wshadow -Wformat-security -Wmissing-prototypes -Wstrict-prototypes".split()
# gcc 12 takes what a loop or another function fills for uninitialised, and what a structure owns for lost: there memcheck (tests/valgrind) and
# LeakSanitizer look instead. analyzer.h gives a code where the function gives an int.
ANALYZER = "-fanalyzer -Wno-sign-conversion -O1 -U_FORTIFY_SOURCE -Wno-analyzer-use-of-uninitialized-value -Wno-analyzer-malloc-leak -Wno-analyzer-too-complex".split()
PROGRAMS = ("server/whynotd", "clients/whynot/whynot", "clients/bench/whynot-bench", "kernels/libwhynot.so")
TIDY = ("-*,clang-analyzer-*,bugprone-*,cert-err34-c"
        # Matters of taste, or what this language and the compilers' own warnings (-Wconversion, -Wsizeof-pointer-div, -Wsizeof-pointer-memaccess) see to.
        ",-bugprone-easily-swappable-parameters,-bugprone-branch-clone,-bugprone-assignment-in-if-condition,-bugprone-macro-parentheses"
        ",-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression"
        # Tables are #include of .def files; _GNU_SOURCE is reserved; handlers write to a pipe; memcpy_s and strcpy_s are not in the C library.
        ",-bugprone-suspicious-include,-bugprone-reserved-identifier,-bugprone-signal-handler"
        ",-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-clang-analyzer-security.insecureAPI.strcpy")


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout.decode(errors="replace")


# ---- how the programs are linked ----


def lacking(path):
    """Which of the protections a program or a library has not."""
    head, segments, dynamic, symbols = output("readelf", "-hW", path), output("readelf", "-lW", path), output("readelf", "-dW", path), output("readelf", "-W", "--dyn-syms", path)
    stack = re.search(r"GNU_STACK.* (R\w*) +0x", segments)
    has = {
        "position independence": re.search(r"Type: +DYN", head) and (path.endswith(".so") or "PIE" in dynamic),
        "RELRO": "GNU_RELRO" in segments,
        "BIND_NOW": re.search(r"BIND_NOW|FLAGS.*\bNOW\b", dynamic),
        "a stack that is not executed": stack and "E" not in stack.group(1),
        "no text relocations": "TEXTREL" not in dynamic,
        "stack protector": "__stack_chk_fail" in symbols,
        "FORTIFY": re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")),
    }
    return [what for what, yes in has.items() if not yes]


def hardening():
    for program in PROGRAMS:
        path = os.path.join(BUILD, program)
        if os.path.exists(path):
            missing = lacking(path)
            figure("G16 %s: protections it lacks" % program, len(missing), 0, not missing, ", ".join(missing))


# ---- what compilers and analyzers say ----


def commands():
    """{file: (folder, arguments)} of the product's own C."""
    with open(os.path.join(BUILD, "compile_commands.json")) as f:
        found = {}
        for c in json.load(f):
            name = os.path.relpath(c["file"], ROOT)
            if name.endswith(".c") and name.startswith(("kernels/", "server/", "clients/")) and name not in found:
                words = shlex.split(c["command"])
                words = words[1:] if "ccache" in words[0] else words
                words[words.index("-o") + 1] = "/dev/null"
                found[name] = (c["directory"], words)
    return found


def is_justified(path, line):
    try:
        with open(os.path.join(ROOT, path)) as f:
            lines = f.read().splitlines()
        return any("analyzer:" in text for text in lines[max(0, line - 2):line])
    except OSError:
        return False


def findings(text):
    """{(file, line, message)} of gcc's and clang's form, in our files, without those that are justified. What cannot be read is one wherever it is."""
    found = set()
    for path, line, kind, what in re.findall(r"^([^\s:][^:\n]*):(\d+):(?:\d+:)? (warning|(?:fatal )?error|style|performance|portability): (.*)$", text, re.M):
        name = os.path.relpath(os.path.join(ROOT, path), ROOT)
        if "error" in kind or (name.startswith(("kernels/", "server/", "clients/", "include/")) and not is_justified(name, int(line))):
            found.add((name, int(line), what))
    return found


def each(jobs):
    def run(job):
        done = subprocess.run(job[1], cwd=job[0], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode(errors="replace")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(run, jobs))


def judge(what, files, found):
    figure("G16 %s: findings in %d files" % (what, files), len(found), 0, files > 0 and not found, "; ".join("%s:%d %s" % f for f in sorted(found)[:20]))


def main():
    if is_sanitized():
        skip("a sanitizer's build is hardened otherwise")
    hardening()
    files = commands()
    found = findings(each([(folder, [*words, *WARNINGS, "-fsyntax-only"]) for folder, words in files.values()]))
    judge("warnings", len(files), found)
    if FULL:
        judge("frames above 16384 bytes", len(files), findings(each([(folder, [*words, "-O2", "-Wframe-larger-than=16384", "-Wvla"]) for folder, words in files.values()])))
        analyzers(files)
    finish()


def analyzers(files):
    if "Free Software Foundation" in output("cc", "--version"):
        judge("gcc -fanalyzer", len(files), findings(each([(folder, [*words, *ANALYZER, *told(name)]) for name, (folder, words) in files.items()])))
    if shutil.which("cppcheck"):
        text = each([(ROOT, ["cppcheck", "--enable=warning,performance,portability", "--inline-suppr", "--quiet", "--template={file}:{line}: {severity}: {message} [{id}]", "--std=c11",
                             "--suppress=missingInclude", "--suppress=normalCheckLevelMaxBranches", "--suppress=preprocessorErrorDirective", "--suppressions-list=" + os.path.join(HERE, "cppcheck.txt"), "--library=posix",
                             "-D_GNU_SOURCE", "-Iinclude", "-Ikernels", "-Iserver", *part]) for part in parts(sorted(files), 16)])
        judge("cppcheck", len(files), findings(text))
    if shutil.which("clang-tidy"):
        judge("clang-tidy", len(files), findings(tidy(files)))


def tidy(files):
    """What clang-tidy 14 says of each file by itself, as one target compiles it: the second time it looks, it takes a va_list for uninitialised.
    Assertions are heard."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "compile_commands.json"), "w") as f:
            json.dump([{"directory": where, "file": os.path.join(ROOT, name), "arguments": words} for name, (where, words) in files.items()], f)
        return each([(ROOT, ["clang-tidy", "-p", folder, "--quiet", "--checks=" + TIDY, "--extra-arg=-UNDEBUG",
                             *("--extra-arg-before=" + word for word in told(name)), name]) for name in files])


def told(name):
    """What analyzers that see one file are told besides, unless it is the file that defines just that."""
    with open(os.path.join(ROOT, name)) as f:
        defines = re.search(r"^\w+(?: \w+)? (?:wn_fail|wn_problem_set|cli_fail|wn_op_fail|wn_program_fail)\(", f.read(), re.M)
    return [] if defines else ["-include" + os.path.join(HERE, "analyzer.h")]


def parts(names, n):
    return [names[i:i + n] for i in range(0, len(names), n)]


main()
