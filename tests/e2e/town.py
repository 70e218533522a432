# SPDX-License-Identifier: Apache-2.0
"""A domain of a test's own, of the real daemons: its folder, free ports, and the tool that works in it."""
import os
import shutil
import subprocess
import tempfile

import tap


class Town:
    def __init__(self, tool, name):
        self.tool = tool
        self.top = tempfile.mkdtemp(prefix='mcx-%s-' % name)
        self.folder = os.path.join(self.top, 'town')
        self.env = dict(os.environ, MCX_PORT_BASE=tap.port_base())

    def mcx(self, *args, code=0):
        """The tool with these arguments, ended; it must end with this code, or with any (None)."""
        done = subprocess.run([self.tool, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env,
                              timeout=120, check=False)
        assert code is None or done.returncode == code, '%s: exit %d, wanted %d\n%s%s' % (
            args, done.returncode, code, done.stdout[-1500:], done.stderr[-1500:])
        return done

    def close(self):
        self.mcx('down', self.folder, code=None)
        shutil.rmtree(self.top, ignore_errors=True)
