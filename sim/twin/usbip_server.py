"""The twin for another process: a USB/IP server on this machine's loopback.

    server = UsbIpServer(controller, log=print)
    server.serve()                      # until another thread calls close(), or Ctrl-C

One client at a time has the device, as on a real bus. A client that does not speak the protocol, asks for too much or
stops in the middle of a message is disconnected, with one line in the log; the device is enumerated anew for the next.
Nothing listens on any other interface: the protocol knows no authentication.
"""

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable

from trine.sim.errors import SimulatorError
from trine.sim.twin import usbip_protocol as protocol
from trine.sim.twin.bus import BusFault
from trine.sim.twin.enumeration import attach
from trine.sim.twin.host_controller import SET_ADDRESS, SET_CONFIGURATION, HostController, Stalled, Unplugged
from trine.sim.twin.transfer import Status, Transfer
from trine.sim.twin.usbip_protocol import Operation, ProtocolError, Submit, Unlink

HOST = "127.0.0.1"
CLIENTS = 8
"""Connections at a time."""
TRANSFERS = 256
"""That one client may have under way."""
PATIENCE = 10.0
"""Seconds for the rest of a message, and for a client to take one; a client that has the device may be silent."""
TICK = 0.2
"""Seconds between two looks at whether the server is to end."""

_ERRNO = {
    Status.DONE: 0, Status.CANCELLED: 0, Status.STALLED: -errno.EPIPE, Status.FAILED: -errno.EPROTO,
    Status.OVERFLOW: -errno.EOVERFLOW, Status.GONE: -errno.ESHUTDOWN,
}

Log = Callable[[str], None]


class UsbIpServer:
    """Serves the device of a controller, which is enumerated.

    Parameters: the controller; a port of this machine, 0 for any that is free; who is told of each connection and of
    what went wrong in it, a line each.

    Raises OSError if the port cannot be had, and what `attach` raises.
    """

    def __init__(self, controller: HostController, port: int = protocol.PORT, log: Log = lambda line: None) -> None:
        self._controller, self._log = controller, log
        self._listener = socket.create_server((HOST, port))
        self._listener.settimeout(TICK)
        self.port: int = self._listener.getsockname()[1]
        """Where it listens."""
        self._attached = attach(controller)
        self._configuration = 0
        self._owner = threading.Lock()
        self._closing = threading.Event()
        self._clients: list[threading.Thread] = []

    def serve(self) -> None:
        """Serve until `close`."""
        while not self._closing.is_set():
            try:
                connection, (address, port) = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # closed meanwhile
                return
            self._clients = [client for client in self._clients if client.is_alive()]
            if len(self._clients) >= CLIENTS:
                self._log(f"{address}:{port}: refused; {CLIENTS} connections are the most")
                connection.close()
                continue
            client = threading.Thread(target=self._serve_client, args=(connection, f"{address}:{port}"), daemon=True)
            self._clients.append(client)
            client.start()

    def close(self) -> None:
        """End the server and its connections; twice does no harm."""
        self._closing.set()
        self._listener.close()
        for client in self._clients:
            client.join(PATIENCE)

    def _serve_client(self, connection: socket.socket, name: str) -> None:
        with connection:
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse(_Stream(connection, self._closing), name)
            except (ProtocolError, OSError, BusFault, Unplugged, SimulatorError) as error:
                self._log(f"{name}: disconnected: {error}")

    def _converse(self, stream: "_Stream", name: str) -> None:
        head = stream.read(protocol.REQUEST_BYTES, patient=False)
        if head is None:
            return
        speed = self._controller.speed.name
        if protocol.parse_operation(head) is Operation.LIST:
            stream.write(protocol.list_answer(self._attached, speed, self._configuration))
            return
        wanted = (stream.read(protocol.BUS_ID_BYTES, patient=False) or b"").rstrip(b"\0")
        if wanted != protocol.BUS_ID or not self._owner.acquire(blocking=False):
            stream.write(protocol.import_refusal())
            reason = "in use" if wanted == protocol.BUS_ID else f"not {wanted[:32].decode('ascii', 'replace')!r}"
            self._log(f"{name}: refused; the device is {protocol.BUS_ID.decode()}, {reason}")
            return
        try:
            stream.write(protocol.import_answer(self._attached, speed, self._configuration))
            self._log(f"{name}: has the device")
            _Session(self._controller, stream, self._attached.address, self._configured).run()
            self._log(f"{name}: has left")
        finally:
            self._configuration = 0
            try:
                with contextlib.suppress(Unplugged):
                    self._attached = attach(self._controller)  # whatever the client did to it
            finally:
                self._owner.release()

    def _configured(self, value: int) -> None:
        self._configuration = value


class _Stream:
    """A connection that is read exactly and written whole, within limits."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection, self._closing = connection, closing
        self._writing = threading.Lock()
        connection.settimeout(TICK)

    def read(self, size: int, patient: bool) -> bytes | None:
        """So many bytes; nothing if the other side, or the server, ends before the first of them.

        patient: the first of them may take any time. Raises ProtocolError for an end or a pause in their middle.
        """
        data, waited = bytearray(), 0.0
        while len(data) < size:
            try:
                part = self._connection.recv(size - len(data))
            except TimeoutError:
                waited += TICK
                if self._closing.is_set():
                    return None
                if waited >= PATIENCE and (data or not patient):
                    raise ProtocolError(f"{len(data)} of {size} bytes came in {PATIENCE:g} s") from None
                continue
            if not part:
                if data:
                    raise ProtocolError(f"{len(data)} of {size} bytes came, and then the end")
                return None
            data += part
            waited = 0.0
        return bytes(data)

    def end(self) -> None:
        """Let nobody wait for the other side any more."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def write(self, data: bytes) -> None:
        """All of them; OSError if the other side does not take them in time."""
        with self._writing:
            self._connection.settimeout(PATIENCE)
            try:
                self._connection.sendall(data)
            finally:
                self._connection.settimeout(TICK)


class _Session:
    """The transfers of one client that has the device.

    Its thread reads commands; another one drives the bus while bulk transfers are pending and returns those that end.
    A transfer is cancelled, and a return is written, with `_changes` held: so a transfer has either its return, and
    then its unlink comes too late, or none.
    """

    def __init__(self, controller: HostController, stream: _Stream, address: int,
                 configured: Callable[[int], None]) -> None:
        self._controller, self._stream, self._address, self._configured = controller, stream, address, configured
        self._pending: dict[int, Transfer] = {}
        self._changes = threading.Condition()
        self._ended = False
        self._fault: Exception | None = None

    def run(self) -> None:
        """Serve until the client leaves, or the server ends; raises what ended it otherwise."""
        driver = threading.Thread(target=self._drive, daemon=True)
        driver.start()
        try:
            while self._fault is None:
                data = self._stream.read(protocol.COMMAND_BYTES, patient=True)
                if data is None:
                    break
                command = protocol.parse_command(data, self._address)
                if isinstance(command, Unlink):
                    self._unlink(command)
                else:
                    self._submit(command)
        finally:
            with self._changes:
                self._ended = True
                self._changes.notify()
            driver.join()
            for transfer in self._pending.values():
                self._controller.cancel(transfer)
        if self._fault is not None:
            raise self._fault

    def _submit(self, command: Submit) -> None:
        data = b""
        if not command.incoming and command.length:
            received = self._stream.read(command.length, patient=False)
            if received is None:
                raise ProtocolError(f"the {command.length:,} bytes of a transfer did not come")
            data = received
        if command.endpoint == 0:
            self._stream.write(self._control(command, data))
            return
        with self._changes:
            if command.sequence in self._pending:
                raise ProtocolError(f"two transfers of number {command.sequence}")
            if len(self._pending) >= TRANSFERS:
                raise ProtocolError(f"more than {TRANSFERS} transfers at a time")
            address = command.endpoint | (0x80 if command.incoming else 0)
            transfer = Transfer(address, data, command.length if command.incoming else 0)
            self._pending[command.sequence] = self._controller.submit(transfer)
            self._changes.notify()

    def _control(self, command: Submit, data: bytes) -> bytes:
        request_type, request, value, _, length = struct.unpack("<BBHHH", command.setup)
        if not command.incoming and length != len(data):
            raise ProtocolError(f"a control transfer of {length} bytes with {len(data)} bytes of data")
        if (request_type, request) == SET_ADDRESS:  # the server's own; the client's controller gives it another
            return protocol.submit_return(command.sequence, 0, 0)
        try:
            received = self._controller.control(command.setup, data)
        except Stalled:
            return protocol.submit_return(command.sequence, -errno.EPIPE, 0)
        except BusFault:
            return protocol.submit_return(command.sequence, -errno.EPROTO, 0)
        except TimeoutError:
            return protocol.submit_return(command.sequence, -errno.ETIMEDOUT, 0)
        if (request_type, request) == SET_CONFIGURATION:
            self._configured(value)
        return protocol.submit_return(command.sequence, 0, len(received) if command.incoming else len(data), received)

    def _unlink(self, command: Unlink) -> None:
        with self._changes:
            transfer = self._pending.get(command.victim)
            if transfer is not None and self._controller.cancel(transfer) and not transfer.moved:
                del self._pending[command.victim]
                self._stream.write(protocol.unlink_return(command.sequence, -errno.ECONNRESET))
            else:  # it has ended, or has data already that would be lost with it: its return comes first
                self._return_ended()
                self._stream.write(protocol.unlink_return(command.sequence, 0))

    def _return_ended(self) -> None:
        for sequence, transfer in list(self._pending.items()):
            if not transfer.pending:
                del self._pending[sequence]
                self._stream.write(protocol.submit_return(sequence, _ERRNO[transfer.status], transfer.moved,
                                                          bytes(transfer.received)))

    def _drive(self) -> None:
        try:
            while True:
                with self._changes:
                    self._changes.wait_for(lambda: self._ended or self._pending)
                    if self._ended:
                        return
                    self._return_ended()
                self._controller.step()
        except (OSError, SimulatorError) as error:
            self._fault = error
            self._stream.end()
