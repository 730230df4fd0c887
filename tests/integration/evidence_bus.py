"""A bus with two witnesses and a time-stamping authority: what is outside the operator's hand."""

import json
import socket
import subprocess
import sys

from govbus.document import topics
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, head_origin
from govbus.message_log.policy import Policy
from govbus.service.openssl_tsa import OpensslTsa
from govbus.service.sample_directory import BUS

from .bus import Bus

WITNESSES = ("court", "archive")
TIMEOUT_S = 180


def _free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class EvidenceBus(Bus):
    """Adds witnesses, an authority, and commands as an operator and an auditor run them."""

    def __init__(self, kafka, folder):
        super().__init__(kafka, folder)
        tsa_port = _free_port()
        self.tsa = OpensslTsa(folder / "tsa", port=tsa_port)
        self.keys = folder / "log-keys"
        self.policy_file = folder / "witnesses.policy"
        self.archive = folder / "archive"
        self.authority = self.stage.sample.authority_certificate
        self.environment |= {
            "GOVBUS_MESSAGE_LOG__WITNESS_INTERVAL_S": "0.5",
            "GOVBUS_MESSAGE_LOG__TIMESTAMP_INTERVAL_S": "1",
            "GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES": json.dumps(
                [
                    {
                        "name": "tsa",
                        "url": f"http://127.0.0.1:{tsa_port}",
                        "ca_file": str(folder / "tsa" / "ca.pem"),
                        "timeout_s": 5,
                    }
                ]
            ),
        }

    def add_log_service(self):
        log_lines = self.run("log", "vkeys", str(self.keys), "--bus", str(BUS))
        logs = self.folder / "logs.policy"
        logs.write_text(log_lines + "quorum none\n", encoding="utf-8")
        lines = ""
        for name in WITNESSES:
            home, port = self.folder / f"witness-{name}", _free_port()
            url = ("--url", f"http://127.0.0.1:{port}", "--policy-name", name)
            lines += self.run("witness", "keys", str(home), "--name", f"{name}.example/w", *url)
            serve = ("witness", "serve", "--keys", str(home), "--logs", str(logs))
            self.add(f"witness-{name}", *serve, "--http", f"127.0.0.1:{port}")
        members = " ".join(WITNESSES)
        policy = f"{log_lines}{lines}group both all {members}\nquorum both\n"
        self.policy_file.write_text(policy, encoding="utf-8")
        self.policy = Policy.from_text(policy)
        self.add(
            "log",
            *("log", "serve", "--keys", str(self.keys), "--bus", str(BUS)),
            *("--data", str(self.folder / "log"), "--witnesses", str(self.policy_file)),
        )

    def run(self, *arguments, code=0, without_bus=False):
        """Run a command to its end and return what it printed."""
        environment = dict(self.environment)
        if without_bus:
            environment["GOVBUS_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
        done = subprocess.run(
            [sys.executable, "-m", "govbus", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert code == done.returncode, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def stamped_sizes(self):
        """Return sizes of heads that are cosigned by all witnesses, and of those that are time stamped."""
        origin = head_origin(self.stage.directory.bus)
        verifiers = self.stage.log_keys.public.verifiers(origin)
        cosigned, texts = {}, set()
        for record in self.records(topics.CHECKPOINTS):
            if record.key == HEADS_KEY:
                opened = self.policy.open(record.value, origin, log_verifiers=verifiers)
                if opened.is_quorum:
                    cosigned[opened.checkpoint.to_text()] = opened.checkpoint.size
            elif record.key == TIMESTAMP_KEY:
                texts.add(dict(record.headers)["gb-checkpoint"].decode())
        return set(cosigned.values()), {size for text, size in cosigned.items() if text in texts}

    def write_archive(self):
        """Archive everything that is covered by checkpoints."""
        keys = ("--log-keys", self.keys)
        return self.run("archive", "write", self.archive, "--bus", BUS, *keys, "--close")

    def verify_archive(self, *, code=0):
        """Verify the archive without any bus."""
        trust = ("--log-keys", self.keys, "--authority", self.authority)
        return self.run("archive", "verify", self.archive, *trust, code=code, without_bus=True)
