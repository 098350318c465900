"""Diagrams of host/ and sim/: what calls what."""

from docs.diagrams.draw import Drawing


def host() -> Drawing:
    """host/, from a model down to the bytes."""
    d = Drawing("The host: a model's float32 part, its integers on a device, each compared with golden", 994, 520,
                components=("golden.transformer.Transformer",))
    d.block(30, 20, 210, 48, "trine demo, trine run, ...", "host/cli")
    d.block(270, 20, 210, 48, "your program", "open_device, load, linear")
    model = d.block(30, 116, 210, 62, "LanguageModel", "Transformer: float32,", "golden's own",
                    of="host.language_model.LanguageModel")
    runner = d.block(30, 226, 210, 62, "Runner", "multiply: layers that", "share an input", of="host.runner.Runner")
    device = d.block(270, 226, 210, 62, "Device", "load, linear, execute,", "counters", of="host.device.Device")
    image = d.block(520, 226, 200, 62, "Image", "program, packed weights,", "tensors; from the compiler", kind="memory",
                    of="firmware.image.Image")
    verifier = d.block(520, 116, 200, 62, "Verifier", "integers: golden's accumulate;", "cycles: the cycle model",
                       kind="check", of="host.verify.Verifier")
    connection = d.block(270, 336, 210, 62, "Connection", "frames, pipelined; faults are", "repaired and tried again",
                         of="host.connection.Connection")
    d.wire((135, 68), model.top())
    d.wire(model.bottom(), runner.top(), label="int8 codes, int32 sums", both=True)
    d.wire((375, 68), device.top(), label="int8 or float32 vectors", both=True, at=0.3)
    d.wire(runner.right(), device.left(), both=True)
    d.wire(image.left(), device.right())
    d.wire((440, 226), (440, 147), verifier.left())
    d.text((446, 202), "every execution", anchor="start")
    d.wire(device.bottom(), connection.top(), label="requests", both=True)
    golden = d.block(30, 450, 210, 48, "GoldenTransport", "Machine, in Python", kind="check",
                     of="host.transport.GoldenTransport")
    simulated = d.block(270, 450, 210, 48, "SimTransport", "native model of Accelerator", kind="array",
                        of="sim.transport.SimTransport")
    usb = d.block(510, 450, 210, 48, "UsbTransport", "PyUSB: a board, or the twin", of="host.usb.UsbTransport")
    serial = d.block(750, 450, 210, 48, "SerialTransport", "a board with a UART",
                     of="host.serial_port.SerialTransport")
    d.wire(connection.bottom(), simulated.top(), both=True)
    for transport in (golden, usb, serial):
        d.wire((375, 424), (transport.top()[0], 424), transport.top())
    d.text((500, 412), "Transport: write, read_exact, close", anchor="start")
    return d


def twin() -> Drawing:
    """sim/twin."""
    d = Drawing("The twin: the host's own USB code on a simulated bus", 994, 330)
    d.frame(12, 12, 200, 306, "the host, as for a board")
    d.frame(232, 12, 510, 306, "sim/twin, in Python")
    d.frame(762, 12, 220, 306, "native code, from hw/")
    transport = d.block(30, 60, 164, 62, "UsbTransport", "PyUSB", of="host.usb.UsbTransport")
    other = d.block(30, 222, 164, 62, "other programs", "USB/IP, loopback only")
    backend = d.block(252, 60, 140, 62, "TwinBackend", "PyUSB's backend", of="sim.twin.backend.TwinBackend")
    server = d.block(252, 222, 140, 62, "UsbIpServer", "trine twin", of="sim.twin.usbip_server.UsbIpServer")
    controller = d.block(430, 132, 140, 80, "HostController", "transfers become", "transactions",
                         of="sim.twin.host_controller.HostController")
    bus = d.block(608, 132, 116, 80, "Bus", "frames, packets,", "time on the wire", of="sim.twin.bus.Bus")
    d.frame(780, 60, 184, 236, "UtmiModel", of="sim.twin.utmi.UtmiModel")
    device = d.block(796, 96, 152, 62, "UsbDevice", "domain usb", of="hw.usb.device.UsbDevice")
    accelerator = d.block(796, 216, 152, 62, "Accelerator", "domain sync", kind="array",
                          of="hw.accelerator.Accelerator")
    d.wire(transport.right(), backend.left(), both=True)
    d.wire(other.right(), server.left(), both=True)
    d.wire(backend.right(), (500, 91), controller.top(), both=True)
    d.wire(server.right(), (500, 253), controller.bottom(), both=True)
    d.wire(controller.right(), bus.left(), both=True)
    d.wire(bus.right(), (752, 172), (752, 127), device.left(), both=True)
    d.wire(device.bottom(), accelerator.top(), both=True, label="bytes")
    d.text((734, 232), "UTMI: a byte, a cycle", anchor="end")
    return d


DRAWINGS = (host, twin)
