// The C interface of a compiled USB device: one call a packet. See utmi.py for what each call promises.
//
// Here are the transceiver and the wire: the bits around a packet's bytes, and the time that they take. The harness
// (harness.py) registers what the device's core sees; between two edges its outputs are settled.
#include <cstddef>

#include "simulator.h"

namespace {

enum LineState : unsigned { SE0 = 0, J = 1, K = 2 };

constexpr uint64_t CROSSING = 24;  // cycles of usb until a packet is ready for the domain sync,
constexpr uint64_t EDGES = 8;      // and edges of that until it has its effect there

struct Wire : Simulator {
    uint64_t bus_clock = 1, device_clock = 1;  // Hz, of the domains usb and sync
    unsigned bits = 1;                         // on the wire in a cycle of usb
    unsigned sync = 0, eop = 0;                // cycles before and after a packet's bytes
    unsigned resting = J;                      // the line between packets
    uint64_t phase = 0;                        // of sync's clock, in 1 / (bus_clock * device_clock) s
    uint64_t cycles = 0;                       // edges of usb's clock
    uint64_t settle = 0;                       // edges of sync's clock after which a waiting device does nothing more
    uint64_t waited = 0;                       // edges of sync's clock since the device did something else
    uint64_t awake = 0;                        // until then, in cycles, the bus may have news for the device
    uint64_t stray = 0;                        // cycles in which the device sent and nobody listened
    unsigned ones = 0;                         // in a row on the wire

    // Everything up to the next edge of usb's clock, and that edge. Sync's clock is left out while the device waits for
    // the bus, except after the host's data and handshakes, which alone have an effect there.
    void cycle() {
        phase += device_clock;
        if (waited < settle || cycles < awake) {
            for (uint64_t edges = phase / bus_clock; edges; edges--) {
                waited = design->waiting ? waited + 1 : 0;
                design->clk = 1;
                design->eval();
                design->clk = 0;
                design->eval();
            }
        }
        phase %= bus_clock;
        design->usb_clk = 1;
        design->eval();
        design->usb_clk = 0;
        design->eval();
        cycles++;
    }

    // Bits that a byte takes on the wire: a zero is stuffed after six ones, be it the last bit (USB 2.0, 7.1.9).
    unsigned length(uint8_t byte) {
        unsigned result = 8;
        for (int bit = 0; bit < 8; bit++) {
            ones = byte >> bit & 1 ? ones + 1 : 0;
            if (ones == 6) { result++; ones = 0; }
        }
        return result;
    }

    void wait(uint64_t count, unsigned line) {
        design->next_line_state = line;
        while (count--) {
            if (design->tx_valid && design->op_mode == 0) stray++;
            cycle();
        }
    }

    // The end of a packet: at full speed two bits of SE0 and one of J (7.1.13.2.1), at high speed back to rest.
    void end(unsigned count) {
        const unsigned low = resting == J ? 2 : 0;
        wait(low, SE0);
        wait(count - low, resting);
    }

    void send(const uint8_t *packet, size_t size, unsigned end_cycles) {
        wait(sync - 1, K);
        design->next_rx_active = 1;  // a cycle at least before the first byte
        wait(1, K);
        ones = 1;  // the sync pattern ends with a one, which counts (7.1.9)
        uint64_t position = 0, elapsed = 0;
        for (size_t index = 0; index < size; index++) {
            position += length(packet[index]);
            const uint64_t due = (position + bits - 1) / bits;  // the cycle in which the byte's last bit arrives
            wait(due - elapsed - 1, K);
            design->next_rx_valid = 1;
            design->next_rx_data = packet[index];
            wait(1, K);
            design->next_rx_valid = 0;
            elapsed = due;
        }
        design->next_rx_active = 0;
        if (size && packet[0] & 2) {  // data and handshakes (table 8-1)
            awake = cycles + end_cycles + CROSSING + EDGES * bus_clock / device_clock;
        }
        end(end_cycles);
    }

    // Returns how many bytes the device sent; those beyond `size` are lost. None came within `limit` cycles: 0.
    size_t receive(uint8_t *out, size_t size, uint64_t limit) {
        for (uint64_t waited = 0; !design->tx_valid; waited++) {
            if (waited == limit) return 0;
            design->next_line_state = resting;
            cycle();
        }
        design->next_line_state = K;
        for (unsigned count = 0; count + 1 < sync; count++) cycle();
        design->next_tx_ready = 1;  // in the last cycle of the sync pattern the first byte is taken
        cycle();
        ones = 1;
        size_t count = 0;
        uint64_t position = 0;
        for (uint64_t elapsed = 0, due = 0;; elapsed++) {
            if (elapsed == due) {  // the design sees tx_ready
                if (!design->tx_valid) break;
                if (count < size) out[count] = design->tx_data;
                count++;
                position += length(design->tx_data);
                due = (position + bits - 1) / bits;
            }
            design->next_tx_ready = elapsed + 1 == due;
            cycle();
        }
        design->next_tx_ready = 0;
        end(eop);
        return count;
    }
};

}  // namespace

// seed as in shim.cc. Clocks in Hz; bits: of the wire in a cycle of usb; sync, eop: cycles; settle: edges.
// If trine_error then is not empty, the simulator can only be closed.
API Wire *trine_open(int64_t seed, uint64_t bus_clock, uint64_t device_clock, uint32_t bits, uint32_t sync,
                     uint32_t eop, uint64_t settle) {
    auto *s = new Wire;
    guarded(s, [&] {
        s->open(seed, nullptr);
        s->bus_clock = bus_clock;
        s->device_clock = device_clock;
        s->bits = bits;
        s->sync = sync;
        s->eop = eop;
        s->settle = settle;
        s->resting = bits == 1 ? J : SE0;
        s->design->clk = s->design->usb_clk = 0;
        s->design->next_rx_data = s->design->next_rx_active = s->design->next_rx_valid = 0;
        s->design->next_rx_error = s->design->next_tx_ready = 0;
        s->design->next_line_state = J;
        s->design->eval();
        return 0;
    });
    return s;
}

API void trine_close(Wire *s) { delete s; }
API const char *trine_error(const Wire *s) { return s->error.c_str(); }
API uint64_t trine_cycles(const Wire *s) { return s->cycles; }
API uint64_t trine_stray(const Wire *s) { return s->stray; }

API int64_t trine_send(Wire *s, const uint8_t *packet, size_t size, uint32_t end) {
    return guarded(s, [&] { s->send(packet, size, end); return 0; });
}

API int64_t trine_receive(Wire *s, uint8_t *out, size_t size, uint64_t limit, size_t *count) {
    *count = 0;
    return guarded(s, [&] { *count = s->receive(out, size, limit); return 0; });
}

API int64_t trine_idle(Wire *s, uint64_t count, uint32_t line) {
    return guarded(s, [&] { s->wait(count, line); return 0; });
}

// tx_valid, op_mode (2 bits), term_select, xcvr_select (2 bits), from bit 0.
API uint32_t trine_outputs(const Wire *s) {
    const auto *d = s->design;
    return d->tx_valid | d->op_mode << 1 | d->term_select << 3 | d->xcvr_select << 4;
}
