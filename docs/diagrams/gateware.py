"""Diagrams of hw/. Names are those of the components and their members."""

from itertools import pairwise

from docs.diagrams.draw import Box, Drawing


def accelerator() -> Drawing:
    """hw/accelerator.py."""
    d = Drawing("Accelerator: link, controller, sequencer, memories and array between two byte streams", 994, 430,
                components=("hw.array.table_array.TableArray",))
    d.frame(44, 12, 938, 406, "Accelerator: one clock domain, sync", of="hw.accelerator.Accelerator")
    receiver = d.block(66, 76, 120, 60, "Receiver", "frames, checks", of="hw.link.receiver.Receiver")
    transmitter = d.block(66, 296, 120, 60, "Transmitter", "frames, CRCs", of="hw.link.transmitter.Transmitter")
    d.block(290, 60, 120, 326, "Controller", "one request", "at a time", of="hw.link.controller.Controller")
    weights = d.block(490, 60, 160, 62, "WeightMemory", "a weight word a cycle", kind="memory",
                      of="hw.memory.weight_memory.WeightMemory")
    sequencer = d.block(490, 186, 160, 62, "Sequencer", "program memory", of="hw.sequencer.sequencer.Sequencer")
    counters = d.block(490, 326, 160, 60, "CycleCounters", "cycles by cause", of="hw.sequencer.counters.CycleCounters")
    array = d.block(750, 60, 210, 108, "AdderArray or TableArray", "lanes x depth trits a cycle,",
                    "activation buffer inside", kind="array", of="hw.array.adder_array.AdderArray")
    results = d.block(750, 256, 210, 62, "ResultBuffer", "int32, result_width a beat", kind="memory",
                      of="hw.memory.result_buffer.ResultBuffer")
    d.wire((2, 106), receiver.left(), label="i", at=0.7)
    d.wire(transmitter.left(), (2, 326), label="o", at=0.3)
    d.wire((186, 94), (290, 94), label="request")
    d.wire((186, 120), (290, 120), label="payload")
    d.wire((290, 316), (186, 316), label="reply")
    d.wire((290, 342), (186, 342), label="reply_payload")
    d.wire((410, 91), (490, 91), label="weights")
    d.wire((410, 150), (750, 150), label="activations", at=0.25)
    d.wire((410, 204), (490, 204), label="program")
    d.wire((410, 232), (490, 232), label="runs")
    d.wire(results.left(0.6), (410, 293.2), label="result_data", at=0.6)
    d.wire(counters.left(), (410, 356), label="cycles, byte")
    d.wire(sequencer.top(0.6), weights.bottom(0.6), label="fetches", at=0.75)
    d.wire((650, 204), (820, 204), (820, 168), label="commands", at=0.4)
    d.wire((650, 232), (820, 232), (820, 256), label="stores", at=0.4)
    d.wire((650, 80), (750, 80), label="weights")
    d.wire((750, 104), (650, 104), label="ready_ahead")
    d.wire(array.bottom(0.65), results.top(0.65), label="results, last")
    d.text((740, 347), "word, pacing, building, array_idle,", anchor="start")
    d.text((740, 362), "running, ending, linked", anchor="start")
    d.wire((735, 350), (650, 350))
    return d


def adder_array() -> Drawing:
    """hw/array/adder_array.py."""
    d = Drawing("AdderArray: a weight word and a chunk of codes a cycle", 994, 350, left=-80,
                components=("hw.array.adder_array.AdderArray",))
    for shift in (16, 8):
        d.frame(390 + shift, 62 - shift, 440, 172, "")
    d.frame(390, 62, 440, 172, "Lane 0 .. lanes - 1", of="hw.array.lane.Lane")
    loader = d.block(40, 62, 130, 44, "Loader", "a byte a cycle", of="hw.memory.loader.Loader")
    buffer = d.block(40, 150, 130, 52, "activation buffer", "a chunk a word", kind="memory")
    control = d.block(40, 262, 130, 62, "control", "counts chunks", "and row blocks")
    slices = d.block(220, 96, 110, 48, "slices", "one a lane")
    codes = d.block(220, 152, 110, 48, "codes", "depth x int8")
    decoder = d.block(404, 96, 84, 48, "Decoder", of="hw.memory.decoder.Decoder")
    trits = d.block(508, 96, 64, 48, "trits")
    tree = d.block(592, 96, 100, 90, "AdderTree", "chains of 4,", "then a tree", kind="array",
                   of="hw.array.adder_tree.AdderTree")
    accumulator = d.block(726, 96, 96, 90, "Accumulator", "total", of="hw.array.accumulator.Accumulator")
    leaving = d.block(868, 110, 92, 62, "leaving", "lanes sums")
    d.wire((-78, 84), loader.left(), label="bytes")
    d.wire(loader.bottom(), buffer.top())
    d.wire((-78, 30), (275, 30), slices.top(), label="weights", at=0.12)
    d.wire(buffer.right(), codes.left())
    d.wire(slices.right(), decoder.left(), label="slice", at=0.4)
    d.wire(codes.right(), (360, 176), (360, 168), (592, 168), label="codes, to all lanes", at=0.55)
    d.wire(decoder.right(), trits.left())
    d.wire(trits.right(), tree.left(24 / 90))
    d.wire(tree.right(0.3), (726, 123), label="sum")
    d.wire(tree.right(0.75), (726, 163.5), label="carry")
    d.wire(accumulator.right(), leaving.left())
    d.wire(leaving.bottom(), (914, 330))
    d.text((906, 266), "results, last:", anchor="end")
    d.text((906, 281), "a beat a cycle", anchor="end")
    d.wire((-78, 278), (40, 278))
    d.text((-75, 272), "commands", anchor="start")
    d.wire((40, 310), (-78, 310))
    d.text((-75, 304), "ready_ahead, pacing", anchor="start")
    d.wire(control.top(), buffer.bottom(), label="activation_chunk", at=0.6)
    d.wire(control.right(), (774, 293), accumulator.bottom(), label="step: valid, first, last, group_first, group_last",
           at=0.4)
    return d


def table_array() -> Drawing:
    """hw/array/table_array.py."""
    d = Drawing("TableArray: a chunk builds its tables once, then every row block looks up in them", 994, 410, left=-80,
                components=("hw.array.table_array.TableArray",))
    for shift in (16, 8):
        d.frame(440 + shift, 56 - shift, 400, 200, "")
    d.frame(440, 56, 400, 200, "TableLane 0 .. lanes - 1", of="hw.array.table_lane.TableLane")
    loader = d.block(40, 66, 130, 44, "Loader", "a byte a cycle", of="hw.memory.loader.Loader")
    buffer = d.block(40, 150, 130, 58, "activations", "a digit of every", "group a word", kind="memory")
    builder = d.block(250, 140, 120, 92, "TableBuilder", "walk of the Gray", "code, an adder", "a group",
                      of="hw.array.table_builder.TableBuilder")
    tables = d.block(456, 110, 112, 100, "tables", "one a group;", "code = sign,", "index", kind="memory")
    tree = d.block(608, 110, 100, 70, "SignedTree", "left +- right", kind="array", of="hw.array.signed_tree.SignedTree")
    total = d.block(748, 110, 76, 70, "total", "partial +-", "tree")
    sums = d.block(640, 330, 184, 58, "partial sums", "a row block a word,", "result_beats of them", kind="memory")
    control = d.block(250, 330, 160, 62, "control", "takes tables, counts", "row blocks")
    d.wire((-78, 88), loader.left(), label="bytes")
    d.wire(loader.bottom(), buffer.top())
    d.wire((170, 168), (250, 168), label="codes")
    d.wire((250, 196), (170, 196), label="address")
    d.wire((-78, 18), (412, 18), (412, 132), (456, 132), label="weights: a slice a lane", at=0.25)
    d.wire((430, 132), (430, 98), (658, 98), tree.top(), label="signs", at=0.75)
    d.wire(builder.right(0.6), (456, 195.2), label="entries", at=0.4)
    d.wire(tables.right(0.35), tree.left(0.5))
    d.wire(tree.right(), total.left())
    d.wire(total.right(), (984, 145), label="results, last", at=0.65)
    d.wire((880, 145), (880, 359), sums.right())
    d.text((886, 280), "total, written back", anchor="start")
    d.wire((774, 330), (774, 180), label="partial", at=0.35)
    d.wire((290, 232), (290, 330), label="tables")
    d.wire((350, 330), (350, 232), label="release")
    d.wire((-78, 262), (268, 262), (268, 232), label="commands", at=0.15)
    d.wire(control.left(), (-78, 361), label="ready_ahead, building, active", at=0.5)
    d.wire(control.right(), (512, 361), (512, 210), label="bank")
    return d


def weight_memory() -> Drawing:
    """hw/memory/weight_memory.py."""
    d = Drawing("WeightMemory: written bank by bank, read as a stream of words", 994, 330)
    loader = d.block(90, 60, 160, 62, "Loader", "whole words, ascending,", "a byte a cycle",
                     of="hw.memory.loader.Loader")
    control = d.block(90, 206, 160, 78, "fetch under way", "chunks, row_blocks,", "read_address, issue")
    d.frame(490, 24, 200, 270, "WeightMemory: banks", of="hw.memory.weight_memory.WeightMemory")
    for number, name in enumerate(("bank_0", "bank_1", "..", "bank_n")):
        d.block(510, 58 + 46 * number, 160, 38, name, kind="memory")
    d.text((590, 258), "block RAM: a lane or two each")
    d.text((590, 274), "SPRAM: 16 bits each")
    d.wire((2, 91), loader.left(), label="bytes", at=0.4)
    d.wire((2, 60), (60, 60), (60, 76), (90, 76))
    d.text((5, 54), "start, address", anchor="start")
    d.wire(loader.right(0.25), (490, 75.5), label="write_bank (a bit a bank), write_address")
    d.wire(loader.right(0.75), (490, 106.5), label="write_data, to all banks")
    d.wire((2, 245), control.left(), label="fetches", at=0.45)
    d.wire(control.right(0.3), (490, 229.4), label="read_address, issue: to all banks")
    d.wire((690, 150), (990, 150), label="weights: a word of all banks, a cycle each")
    d.wire((990, 312), (170, 312), control.bottom(), label="ready_ahead: what weights.ready will be in the next cycle",
           at=0.5)
    return d


def sequencer() -> Drawing:
    """hw/sequencer."""
    d = Drawing("Sequencer: instructions are fetched, split in three and issued; and what a cycle is counted as",
                994, 450)
    d.frame(12, 12, 760, 262, "Sequencer", of="hw.sequencer.sequencer.Sequencer")
    loader = d.block(40, 50, 120, 46, "Loader", "a byte a cycle", of="hw.memory.loader.Loader")
    program = d.block(230, 46, 164, 54, "program_0 .. program_3", "an instruction a word", kind="memory")
    d.block(520, 46, 130, 58, "instruction", "128 bits")
    states = [d.block(40 + 122 * number, 160, 96, 44, name, note) for number, (name, note) in enumerate((
        ("IDLE", "takes a run"), ("FETCH", "address"), ("TAKE", "word"), ("DECODE", "is it one?"),
        ("ISSUE", "three parts"), ("END", "stored?")))]
    idle, fetch, take, decode, issue, end = states
    d.wire((2, 73), loader.left(), label="")
    d.wire(loader.right(), program.left())
    d.wire(program.right(), (520, 73))
    for one, other in ((idle, fetch), (fetch, take), (take, decode), (decode, issue)):
        d.wire(one.right(), other.left())
    d.wire(issue.top(), (576, 132), (210, 132), fetch.top(), label="every unit has taken its part: the next one")
    d.wire(decode.bottom(), (454, 232), (678.8, 232), end.bottom(0.3), label="END, or no instruction: fault", at=0.5)
    d.wire(end.bottom(0.6), (707.6, 256), (88, 256), idle.bottom(), label="done", at=0.75)
    weights = d.block(820, 40, 164, 44, "WeightMemory", "which words", kind="memory",
                      of="hw.memory.weight_memory.WeightMemory")
    array = d.block(820, 102, 164, 44, "AdderArray, TableArray", "rows and columns", kind="array",
                    of="hw.array.adder_array.AdderArray")
    results = d.block(820, 164, 164, 44, "ResultBuffer", "where they go", kind="memory",
                      of="hw.memory.result_buffer.ResultBuffer")
    d.wire((650, 62), weights.left(), label="fetches", at=0.35)
    d.wire((650, 78), (800, 78), (800, 124), array.left(), label="commands", at=0.4)
    d.wire((650, 94), (784, 94), (784, 186), results.left(), label="stores", at=0.45)
    d.wire(results.bottom(), (902, 240), (758, 240), (758, 196), (746, 196), label="storing", at=0.5)
    d.frame(12, 296, 970, 142, "CycleCounters: the first that holds is the cycle's cause",
            of="hw.sequencer.counters.CycleCounters")
    causes = (("hold", "not counted"), ("word", "busy"), ("pacing; ending", "drain"), ("building", "table_build"),
              ("running", "weight_stall"), ("linked", "link_stall"), ("else", "idle"))
    for number, (holds, cause) in enumerate(causes):
        box = d.block(30 + 136 * number, 340, 112, 44, holds, cause)
        if number:
            d.wire((box.x - 24, 362), box.left())
    d.text((497, 412), "pacing, ending and building count only while a program runs, and ending only when the array is "
                       "idle")
    return d


def link() -> Drawing:
    """hw/link."""
    d = Drawing("Receiver, Controller and Transmitter: the states of one request", 994, 588)
    d.frame(12, 12, 970, 196, "Receiver: bytes to one checked request", of="hw.link.receiver.Receiver")
    search, hash_, check, body, verdict, offer = _states(
        d, (("SEARCH", "8 bytes"), ("HASH", "two CRCs"), ("CHECK", "a header?"), ("BODY", "payload, CRC"),
            ("VERDICT", "length, CRC-32"), ("OFFER", "until release")), 96, 150, 116)
    d.wire((2, 118), search.left(), label="")
    for one, other in ((search, hash_), (hash_, check), (check, body), (body, verdict), (verdict, offer)):
        d.wire(one.right(), other.left())
    d.wire(check.top(), (402, 66), (102, 66), search.top(), label="out of sync: no header, and that was reported")
    d.wire(check.bottom(), (402, 170), (834.6, 170), offer.bottom(0.35),
           label="a fault is offered too: NO_SYNC, TIMEOUT, OVERSIZED, BAD_CRC")
    d.wire(offer.bottom(0.65), (869.4, 192), (102, 192), search.bottom(), label="release", at=0.9)
    d.frame(12, 236, 970, 186, "Controller: does what it asks, and prepares the response",
            of="hw.link.controller.Controller", indent=100)
    idle, arguments, check, execute = _states(
        d, (("IDLE", "request valid"), ("ARGUMENTS", "first bytes"), ("CHECK", "room"), ("EXECUTE", "what it asks")),
        314, 132, 108)
    write = d.block(596, 258, 110, 34, "WRITE")
    read = d.block(596, 319, 110, 34, "READ")
    run = d.block(596, 380, 110, 34, "RUN, RUNNING")
    start = d.block(752, 314, 84, 44, "START", "reply")
    send = d.block(872, 314, 84, 44, "SEND", "until sent")
    for one, other in ((idle, arguments), (arguments, check), (check, execute)):
        d.wire(one.right(), other.left())
    for target in (write, read, run):
        y = target.left()[1]
        points = [execute.right(), (574, 336), (574, y), target.left()]
        d.wire(*points if y != 336 else (execute.right(), target.left()))
        points = [target.right(), (726, y), (726, 336), start.left()]
        d.wire(*points if y != 336 else (target.right(), start.left()))
    d.wire(start.right(), send.left())
    d.text((432, 388), "the others, and every error: straight to START")
    d.wire(offer.right(0.5), (970, 118), (970, 224), (98, 224), idle.top(), label="request, payload", at=0.12)
    d.frame(12, 450, 970, 126, "Transmitter: one framed response", of="hw.link.transmitter.Transmitter",
            indent=104)
    states = _states(
        d, (("IDLE", "until start"), ("PREPARE", "header"), ("HEADER", "8 bytes"), ("PAYLOAD", "as it comes"),
            ("CHECKSUM", "CRC-32"), ("CRC", "4 bytes")), 498, 150, 116)
    for one, other in pairwise(states):
        d.wire(one.right(), other.left())
    d.wire(send.bottom(), (914, 438), (102, 438), states[0].top(), label="reply, reply_payload", at=0.12)
    d.wire(states[-1].right(), (990, 520), label="o")
    return d


def usb_device() -> Drawing:
    """hw/usb."""
    d = Drawing("UsbDevice: LUNA's device core, endpoint 0, and a packet buffer for each direction", 994, 370)
    d.frame(120, 12, 862, 346, "UsbDevice", of="hw.usb.device.UsbDevice")
    core = d.block(150, 60, 140, 270, "USBDevice (LUNA)", "packets, tokens,", "handshakes, address,", "speed")
    control = d.block(410, 50, 190, 70, "ControlEndpoint", "requests, descriptors,", "halt, restart",
                      of="hw.usb.control_endpoint.ControlEndpoint")
    out = d.block(410, 160, 190, 62, "OutEndpoint", "ACK if a buffer is free", of="hw.usb.out_endpoint.OutEndpoint")
    into = d.block(410, 266, 190, 62, "InEndpoint", "kept until acknowledged", of="hw.usb.in_endpoint.InEndpoint")
    down = d.block(690, 160, 150, 62, "PacketBuffer", "two packets", kind="memory",
                   of="hw.usb.packet_buffer.PacketBuffer")
    up = d.block(690, 266, 150, 62, "PacketBuffer", "two packets", kind="memory",
                 of="hw.usb.packet_buffer.PacketBuffer")
    d.wire((2, 195), core.left(), both=True, label="pins or ULPI", at=0.4)
    d.wire(core.right(25 / 270), control.left(), both=True, label="endpoint 0")
    d.wire((290, 191), out.left(), both=True, label="endpoint 0x01")
    d.wire((290, 297), into.left(), both=True, label="endpoint 0x81")
    d.wire(control.bottom(0.25), (457.5, 160), label="configured, halted, restart", at=0.55)
    d.wire(control.right(), (640, 85), (640, 282), (600, 282))
    d.wire(out.right(), down.left())
    d.wire((690, 310), (600, 310))
    d.wire(down.right(), (990, 191), label="o: bytes")
    d.wire((990, 297), up.right(), label="i: bytes")
    d.divide(765, 40, 156)
    d.divide(765, 226, 262)
    d.divide(765, 332, 350)
    d.text((757, 52), "domain usb: 12 or 60 MHz", anchor="end")
    d.text((773, 52), "domain sync", anchor="start")
    return d


def board() -> Drawing:
    """hw/boards."""
    d = Drawing("Top: a board's clocks and link around an accelerator", 994, 330,
                components=("hw.boards.usb_link.UsbLink",))
    d.frame(140, 12, 842, 306, "Top", of="hw.boards.board.Top")
    clocks = d.block(180, 50, 200, 62, "Clocks", "PLLs; sync, and the link's", "domains, until locked in reset",
                     of="hw.boards.clocks.Clocks")
    supply = d.block(500, 50, 160, 62, "supply", "ButterStick only:", "I/O voltages")
    d.frame(180, 146, 480, 152, "UartLink, or UsbLink with a UsbDevice", of="hw.boards.uart_link.UartLink")
    receiver = d.block(200, 178, 140, 40, "UartReceiver", of="hw.uart.receiver.UartReceiver")
    fifo = d.block(430, 178, 200, 40, "SyncFIFOBuffered", "2 x maximum_payload", kind="memory")
    transmitter = d.block(200, 246, 140, 40, "UartTransmitter", of="hw.uart.transmitter.UartTransmitter")
    d.block(800, 146, 150, 152, "Accelerator", "build_id in it", kind="array",
            of="hw.accelerator.Accelerator")
    d.wire((2, 81), clocks.left(), label="oscillator", at=0.4)
    d.wire(supply.left(), clocks.right(), label="hold")
    d.wire((2, 198), receiver.left(), label="rx", at=0.4)
    d.wire(transmitter.left(), (2, 266), label="tx", at=0.6)
    d.wire(receiver.right(), fifo.left(), label="byte, strobe")
    d.wire(fifo.right(), (800, 198), label="o", at=0.6)
    d.wire((800, 266), transmitter.right(), label="i", at=0.2)
    return d


def _states(d: Drawing, names: tuple[tuple[str, str], ...], y: float, pitch: float, width: float) -> list[Box]:
    """States of a machine, side by side."""
    return [d.block(44 + pitch * number, y, width, 44, *lines) for number, lines in enumerate(names)]


DRAWINGS = (accelerator, adder_array, table_array, weight_memory, sequencer, link, usb_device, board)
