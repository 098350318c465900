"""A functional machine at the other end of a pseudo terminal, which pyserial takes for a serial port."""

import os
import pty
import select
import threading
import tty

from trine.firmware.machine import Machine

SILENCE = 0.02
"""Seconds without a byte after which the device gives up a frame that stopped in the middle."""


class SerialLine:
    """`path` is the port; what `damage` makes of the bytes there arrives. `unplug` takes the port away."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.damage = lambda data: data
        self._device, self._port = pty.openpty()
        tty.setraw(self._device)
        tty.setraw(self._port)
        self.path = os.ttyname(self._port)
        self._stopped = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._thread.join()
            os.close(self._device)
            os.close(self._port)

    def _serve(self) -> None:
        quiet = True
        while not self._stopped:
            if select.select([self._device], [], [], SILENCE)[0]:
                data, quiet = os.read(self._device, 65536), False
                answers = self.machine.feed(self.damage(data))
            elif not quiet:
                answers, quiet = self.machine.timeout(), True
            else:
                continue
            while answers:
                answers = answers[os.write(self._device, answers) :]
