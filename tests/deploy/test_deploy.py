"""deploy/ and docs/operations.md against the programs: paths, packages, system calls, metrics, options, exit codes."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
import daemon  # noqa: E402

WHYNOTD, WHYNOT = os.environ["WHYNOTD"], os.environ["WHYNOT"]
UNITS = ("whynotd.service", "whynotd-cuda.service", "whynotd@.service")


def run(*command, env=None, ok=(0,), patience=120):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})), timeout=patience)
    text = done.stdout.decode()
    assert done.returncode in ok, (command, done.returncode, text)
    return text


def text_of(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


def without_comments(text):
    return json.loads("".join(line for line in text.splitlines(True) if not line.lstrip().startswith("//")))


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), tool + " is not installed")


class Deploy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = os.path.join(cls.temporary.name, "root")
        run(os.environ["CMAKE"], "--install", os.environ["WHYNOT_BUILD"], "--prefix", "/usr", env={"DESTDIR": cls.root})
        cls.models = os.path.join(cls.temporary.name, "models")
        os.mkdir(cls.models)
        daemon.tiny_models(cls.models)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def installed(self, *path):
        return os.path.join(self.root, *path)

    def read(self, *path):
        with open(self.installed(*path)) as f:
            return f.read()

    def unit(self, name):
        return self.read("usr/lib/systemd/system", name)

    # ---- units ----

    def test_every_path_in_a_unit_is_installed(self):
        for name in UNITS:
            text = self.unit(name)
            self.assertNotIn("@BINDIR@", text)
            command = re.search(r"^ExecStart=(.*)$", text, re.M).group(1).split()
            self.assertTrue(os.access(self.installed(command[0].lstrip("/")), os.X_OK), command)
            config = command[command.index("--config") + 1]
            options = without_comments(self.read(config.lstrip("/")))
            self.assertEqual(options["models"], "/var/lib/whynot/models")
            self.assertIn("StateDirectory=whynot\n", text)
            self.assertIn("User=whynot\n", text)
        self.assertIn("--port %i", self.unit("whynotd@.service"))
        self.assertIn("u whynot ", self.read("usr/lib/sysusers.d/whynot.conf"))

    def test_units_give_the_daemon_the_time_that_it_takes(self):
        help_text = run(WHYNOTD, "--help")
        default = {m[0].replace("-", "_"): m[1] for m in re.findall(r"^  --(\S+) \(default (.*)\)$", help_text, re.M)}
        for name in UNITS:
            text = self.unit(name)
            config = without_comments(self.read("etc/whynot", "whynotd-cuda.json" if "cuda" in name else "whynotd.json"))
            ms = sum(int(config.get(k, default[k])) for k in ("drain_ms", "shutdown_timeout_ms"))
            self.assertGreater(int(re.search(r"TimeoutStopSec=(\d+)s", text).group(1)) * 1000, ms + 3000)
            self.assertIn("Type=notify\n", text)

    def test_the_unit_for_gpus_finds_the_devices_though_nobody_used_them_before(self):
        text = self.unit("whynotd-cuda.service")
        module = "modprobe@nvidia_uvm.service"
        for key in ("Wants", "After"):
            self.assertIn(module, re.search(r"^%s=(.*)$" % key, text, re.M).group(1).split())
        before = re.findall(r"^ExecStartPre=(.*)$", text, re.M)
        self.assertTrue(any("nvidia-modprobe" in command for command in before))
        for command in before:  # unbound by what binds the daemon, and missing where the driver brings none
            self.assertTrue(command.startswith(("-+/", "+-/")), command)
        allowed = dict(re.findall(r"^DeviceAllow=(\S+) (\w+)$", text, re.M))
        self.assertLessEqual({"char-nvidia", "char-nvidia-frontend", "char-nvidia-uvm"}, set(allowed))
        self.assertEqual(set(allowed.values()), {"rwm"})  # to make nodes, they need leave of the unit's own cgroup
        self.assertIn("\nCapabilityBoundingSet=\n", text)

    def test_a_second_installation_leaves_the_configuration_alone(self):
        path = self.installed("etc/whynot/whynotd.json")
        before = self.read("etc/whynot/whynotd.json")
        with open(path, "w") as f:
            f.write("// mine\n" + before)
        run(os.environ["CMAKE"], "--install", os.environ["WHYNOT_BUILD"], "--prefix", "/usr", env={"DESTDIR": self.root})
        self.assertTrue(self.read("etc/whynot/whynotd.json").startswith("// mine"))
        other = os.path.join(self.temporary.name, "opt")
        run(os.environ["CMAKE"], "--install", os.environ["WHYNOT_BUILD"], "--prefix", other)
        with open(os.path.join(other, "lib/systemd/system/whynotd.service")) as f:
            self.assertIn("ExecStart=%s/bin/whynotd --config %s/etc/whynot/whynotd.json" % (other, other), f.read())

    @needs("systemd-analyze")
    def test_systemd_understands_the_units(self):
        root = self.installed()
        for path, mode in (("usr/bin/kill", 0o755), ("bin/kill", 0o755)):  # what ExecReload names
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as f:
                f.write("#!/bin/sh\n")
            os.chmod(full, mode)
        names = ["whynotd.service", "whynotd-cuda.service", "whynotd@8421.service", "whynotd.socket"]
        for folder in ("lib", "usr/lib"):  # newer ones look in the second alone
            shutil.copytree("/lib/systemd/system", os.path.join(root, folder, "systemd/system"), symlinks=True, dirs_exist_ok=True)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--root=" + root, *names], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        ours = [line for line in done.stdout.decode().splitlines() if "whynot" in line]
        self.assertEqual(ours, [], done.stdout.decode())

    @needs("systemd-analyze")
    def test_systemd_finds_a_mistake_in_a_unit(self):  # so that the test above can fail
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "whynotd.service")
            with open(path, "w") as f:
                f.write(self.unit("whynotd.service").replace("ProtectHome=yes", "ProtectHome=perhaps").replace("/usr/bin/", "/bin/"))
            text = run("systemd-analyze", "verify", "--man=no", path, ok=(0, 1))
            self.assertIn("perhaps", text)

    @needs("systemd-analyze")
    @needs("strace")
    def test_the_unit_lets_every_system_call_through_that_the_daemon_makes(self):
        allowed = self.allowed_calls(self.unit("whynotd.service"))
        self.assertNotIn("reboot", allowed)
        self.assertNotIn("ptrace", allowed)
        with tempfile.TemporaryDirectory() as folder:
            made = self.calls_made(folder)
        self.assertGreater(len(made), 20)
        self.assertEqual(made - allowed, set())
        self.assertIn("accept4", made)
        self.assertNotIn("connect", made)  # whatever address a question names

    def test_the_units_let_nothing_out_of_the_machine(self):
        for name in UNITS:
            self.assertIn("\nIPAddressDeny=any\nIPAddressAllow=localhost\n", self.unit(name))
            self.assertIn("\nLimitCORE=0\n", self.unit(name))

    def expand(self, words):
        out = set()
        for word in words:
            if word.startswith("@"):
                listing = run("systemd-analyze", "syscall-filter", word, env={"SYSTEMD_PAGER": "cat"})
                for line in listing.splitlines()[1:]:
                    name = re.sub("\x1b\\[[0-9;]*m", "", line).strip()  # systemd 255 colours what goes into a pipe
                    if name and not name.startswith("#"):
                        out |= self.expand([name])
            else:
                out.add(word)
        return out

    def allowed_calls(self, unit):
        allowed = set()
        for value in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
            if value.startswith("~"):
                allowed -= self.expand(value[1:].split())
            else:
                allowed |= self.expand(value.split())
        return allowed | self.expand(["@default"])

    def calls_made(self, folder):
        log = os.path.join(folder, "calls")
        script = os.path.join(folder, "traced")
        with open(script, "w") as f:
            f.write('#!/bin/sh\nexec strace -f -qq -o %s %s "$@"\n' % (log, WHYNOTD))
        os.chmod(script, 0o755)
        d = daemon.Daemon(self.models, "--model-control", "--backend", "onednn", "--workers", "2", program=script)
        with open("/proc/%d/task/%d/children" % (d.process.pid, d.process.pid)) as f:
            pid = int(f.read().split()[0])
        self.assertEqual(d.explain(daemon.picture(1), "?outputs=heatmap,overlay").status, 200)
        for image in ("http://127.0.0.1:%d/" % d.port, "http://localhost/a.png", "file:///etc/passwd", {"url": "http://169.254.169.254/"}):
            self.assertEqual(d.ask({"image": image}).status, 422)
        os.kill(pid, signal.SIGHUP)
        self.assertEqual(d.request("POST", "/v2/repository/models/tiny/load").status, 200)
        d.get("/metrics")
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(d.process.wait(60), 0)
        d.process.stdout.close()
        d.log.close()
        with open(log) as f:
            lines = f.read().splitlines()
        first = next(i for i, line in enumerate(lines) if "execve(" in line)
        return {m.group(1) for m in (re.match(r"\d+\s+(\w+)\(", line) for line in lines[first + 1:]) if m}

    # ---- HAProxy, images, dashboard ----

    @needs("haproxy")
    def test_haproxy_takes_its_configuration(self):
        path = os.path.join(ROOT, "deploy", "haproxy", "haproxy.cfg")
        self.assertNotIn("WARNING", run("haproxy", "-c", "-f", path))
        bad = os.path.join(self.temporary.name, "bad.cfg")
        with open(bad, "w") as f:
            f.write(text_of("deploy", "haproxy", "haproxy.cfg").replace("retry-on conn-failure", "retry-on never"))
        run("haproxy", "-c", "-f", bad, ok=(1,))

    def test_all_that_an_image_is_made_from_is_there(self):
        for name in ("cpu", "cuda"):
            text = text_of("deploy", "container", "Containerfile." + name)
            lines = re.sub(r"\\\n", " ", text).splitlines()
            words = {line.split()[0] for line in lines if line and not line.startswith("#")}
            self.assertLessEqual(words, {"FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "ENV", "HEALTHCHECK", "ENTRYPOINT"})
            for line in lines:
                if line.startswith("COPY --from=build"):
                    for path in line.split()[2:-1]:
                        self.assertTrue(path == "/packages" or os.path.exists(self.installed(path.replace("/out/", ""))), line)
                elif line.startswith("COPY ") and line != "COPY . .":
                    for path in line.split()[1:-1]:
                        self.assertTrue(os.path.exists(os.path.join(ROOT, path)), line)
                if line.startswith("RUN "):
                    for path in re.findall(r"deploy/[\w/-]+", line):
                        self.assertTrue(os.access(os.path.join(ROOT, path), os.X_OK), line)
                    for option in re.findall(r"-D(WHYNOT_\w+)=", line):
                        self.assertIn("option(%s " % option, text_of("CMakeLists.txt"))
                if line.startswith(("ENTRYPOINT", "HEALTHCHECK")):
                    argv = json.loads(line[line.index("["):])
                    self.assertTrue(os.path.exists(self.installed("usr/bin", argv[0])), line)
            user = next(line for line in lines if line.startswith("USER"))
            self.assertNotIn(user.split()[1].split(":")[0], ("0", "root"))
        with daemon.Daemon(self.models) as d:  # what the images' HEALTHCHECK runs
            self.assertIn("tiny", run(WHYNOT, "models", "--server", "http://127.0.0.1:%d" % d.port))
        run(WHYNOT, "models", "--server", "http://127.0.0.1:1", ok=range(1, 100))

    @needs("apt-get")
    def test_apt_could_install_every_package_that_is_named(self):
        named = re.findall(r"^(?:build|tests)=\((.*?)\)", text_of("deploy", "install-packages"), re.M | re.S)
        self.assertEqual(len(named), 2)
        for name in ("cpu", "cuda"):
            named += re.findall(r"apt-get install((?: [\w.+-]+)+)", re.sub(r"\\\n", " ", text_of("deploy", "container", "Containerfile." + name)))
        packages = {word for words in named for word in words.split() if not word.startswith("-")}
        packages |= set(run(os.path.join(ROOT, "deploy", "container", "runtime-packages"), WHYNOTD, WHYNOT).split())
        self.assertLessEqual({"cmake", "libdnnl-dev", "haproxy", "libc6"}, packages)
        if not any("_Packages" in name for name in os.listdir("/var/lib/apt/lists")):
            self.skipTest("apt has no lists here")
        if subprocess.run(["apt-cache", "show", "clang-format-14"], stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode:
            packages.remove("clang-format-14")  # as install-packages does; the test of the layout is skipped then
        run("apt-get", "-s", "-q", "--no-install-recommends", "install", *sorted(packages), patience=500)

    @needs("dpkg")
    def test_the_packages_of_an_image_are_those_whose_libraries_are_loaded(self):
        tool = os.path.join(ROOT, "deploy", "container", "runtime-packages")
        packages = run(tool, WHYNOTD, WHYNOT).split()
        self.assertIn("libc6", packages)
        for stem in ("libmicrohttpd", "libjansson", "libpng16", "libnettle"):
            self.assertTrue([p for p in packages if p.startswith(stem)], (stem, packages))
        for package in packages:
            self.assertIn("ok installed", run("dpkg-query", "-W", "-f", "${Status}", package))
        folder = os.path.join(self.temporary.name, "lib")
        os.mkdir(folder)
        library = re.search(r"libjansson\S* => (\S+)", run("ldd", WHYNOTD)).group(1)
        shutil.copy(library, os.path.join(folder, os.path.basename(library)))
        self.assertIn("no package has " + folder, run(tool, WHYNOTD, env={"LD_LIBRARY_PATH": folder}, ok=(1,)))

    def metrics(self):
        with daemon.Daemon(self.models) as d:
            self.assertEqual(d.explain(daemon.picture(1), "?why_not=all&reuse=true").status, 200)
            daemon.wait_until(lambda: "whynot_requests_total{" in d.get("/metrics").body.decode())  # counted when the reply has left
            text = d.get("/metrics").body.decode()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        samples = [(re.split(r"[{ ]", line)[0], dict(re.findall(r'[{,](\w+)="([^"]*)"', line))) for line in text.splitlines() if line and line[0] != "#"]
        return kinds, samples

    def test_the_dashboard_asks_for_what_there_is_and_for_all_of_it(self):
        board = json.loads(text_of("deploy", "grafana", "whynot.json"))
        kinds, samples = self.metrics()
        names, labels = {name for name, _ in samples}, {label for _, labels in samples for label in labels}
        asked, by = set(), set()
        for panel in board["panels"]:
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                asked |= set(re.findall(r"whynot_\w+", target["expr"]))
                for group in re.findall(r"by \(([^)]*)\)", target["expr"]):
                    by |= {w.strip() for w in group.split(",")}
                by |= set(re.findall(r"[{,](\w+)=~?\"", target["expr"]))
                self.assertEqual(target["expr"].count("("), target["expr"].count(")"))
        self.assertEqual(asked - names, set())
        self.assertEqual({k for k in kinds if not any(a == k or a.startswith(k + "_") for a in asked)}, set())
        self.assertEqual(by - labels - {"job", "instance", "le"}, set())  # these are Prometheus' own
        places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
        self.assertEqual(len(set(places)), len(places))

    # ---- docs/operations.md, configuration ----

    def table(self, heading):
        part = text_of("docs", "operations.md").split("\n%s\n" % heading)[1].split("\n## ")[0].split("\n### ")[0]
        rows = [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
        return rows[2:]

    def test_the_table_of_metrics_is_the_daemons(self):
        told = {row[0].strip("`") for row in self.table("## Metrics")}
        self.assertEqual(told, set(self.metrics()[0]))

    def test_the_alerts_ask_for_what_there_is(self):
        _, samples = self.metrics()
        rows = self.table("## Alerts")
        self.assertGreater(len(rows), 10)
        for row in rows:
            expression = row[0].strip("`")
            self.assertEqual((len(row), expression.count("("), expression.count("{")), (5, expression.count(")"), expression.count("}")), row)
            asked = re.findall(r"\b(whynot_\w+)(?:\{(\w+)=(~?)\"([^\"]*)\"\})?", expression)
            self.assertTrue(asked or expression == "up == 0", row)
            for name, label, loosely, value in asked:
                there = [labels for sample, labels in samples if sample == name]
                self.assertTrue(there, row)
                if label and loosely:
                    self.assertTrue(all(label in labels for labels in there), row)
                elif label:
                    self.assertIn(value, [labels.get(label) for labels in there], row)

    def test_the_table_of_limits_has_their_defaults(self):
        default = {m[0].replace("-", "_"): m[1] for m in re.findall(r"^  --(\S+) \(default (.*)\)$", run(WHYNOTD, "--help"), re.M)}
        rows = {row[0].strip("`"): row[1] for row in self.table("## Limits")}
        for name, value in rows.items():
            self.assertEqual(default.get(name), value, name)
        limits = {n for n in default if n.startswith("max_") or re.search(r"_(ms|s|us|mb|limit)$", n)}
        self.assertEqual(limits - set(rows), set())

    def test_the_table_of_exit_codes_is_the_daemons(self):
        told = [(row[0], row[1]) for row in self.table("### Exit codes")]
        self.assertEqual(told, re.findall(r"^  (\d+) +(.*)$", run(WHYNOTD, "--help").split("exit codes:\n")[1].split("\n\n")[0], re.M))

    def test_the_configuration_with_every_option_has_every_option_and_works(self):
        path = self.installed("usr/share/doc/whynot/examples/every-option.json")
        with open(path) as f:
            every = without_comments(f.read())
        names = {n.replace("-", "_") for n in re.findall(r"^  --(\S+) \(default", run(WHYNOTD, "--help"), re.M)}
        self.assertEqual(set(every), names)
        with daemon.Daemon(self.models, "--config", path) as d:
            self.assertEqual(d.get("/readyz").status, 200)
        for name in ("whynotd.json", "whynotd-cuda.json"):
            config = self.installed("etc/whynot", name)
            self.assertIn("no folder", run(WHYNOTD, "/nowhere", "--config", config, "--port", "0", ok=(3,)))

    def test_examples_that_the_documentation_names_are_installed(self):
        for name in ("every-option.json", "haproxy.cfg", "grafana-dashboard.json", "local.json", "container.json"):
            self.assertTrue(os.path.exists(self.installed("usr/share/doc/whynot/examples", name)), name)
        told = text_of("docs", "operations.md")
        for path in set(re.findall(r"`(deploy/[\w./-]+|tests/gates/\w+\.py)`", told)):
            self.assertTrue(os.path.exists(os.path.join(ROOT, path)), path)
        for unit in set(re.findall(r"`(whynotd[\w@-]*\.(?:service|socket))`", told)):
            self.assertTrue(os.path.exists(self.installed("usr/lib/systemd/system", unit)), unit)


if __name__ == "__main__":
    unittest.main()
