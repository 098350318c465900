// The C interface of a compiled simulator: one call a transaction. See model.py for what each call promises.
//
// The harness (harness.py) registers the design's inputs. Between two edges the design's outputs are settled for the
// inputs that the coming edge will see, so whether that edge transfers a byte is known before it is made.
#include <cstring>
#include <deque>
#include <vector>

#include "simulator.h"

namespace {

struct Streams : Simulator {
    std::vector<uint8_t> queued;   // bytes for the design, from `sent` on
    size_t sent = 0;
    std::deque<uint8_t> received;  // bytes that came when nobody had asked for them
    uint64_t cycles = 0;
    uint64_t quiet = 0;            // cycles in a row in which no byte moved, since the last trine_queue
    uint64_t random = 0;           // state of the stalls' generator
    uint32_t stall_in = 0, stall_out = 0;  // chance of a stall, in 2**-32
    bool valid = false, ready = false;     // what the harness drives

    bool stall(uint32_t chance) {
        if (!chance) return false;
        random ^= random << 13; random ^= random >> 7; random ^= random << 17;
        return static_cast<uint32_t>(random >> 32) < chance;
    }

    void edge() {
        design->clk = 1;
        design->eval();
        dump(10 * cycles + 5);
        design->clk = 0;
        design->eval();
        dump(10 * cycles + 10);
        cycles++;
    }

    // What the coming edge transfers: a byte into the design, a byte out of it.
    bool takes() const { return valid && design->i_ready; }
    bool gives() const { return ready && design->o_valid; }

    // One cycle; `welcome` says whether a byte may come in the cycle after this one.
    void cycle(bool took, bool welcome) {
        if (took) sent++;
        if (took || !valid) {  // a byte that is offered stays offered
            valid = sent < queued.size() && !stall(stall_in);
            if (valid) design->next_payload = queued[sent];
        }
        ready = welcome && !stall(stall_out);
        design->next_valid = valid;
        design->next_ready = ready;
        edge();
    }

    void tidy() {
        if (sent == queued.size()) { queued.clear(); sent = 0; }
        else if (sent > 65536 && sent > queued.size() / 2) { queued.erase(queued.begin(), queued.begin() + sent); sent = 0; }
    }
};

}  // namespace

// seed < 0: memories without content start as zeros, otherwise at random. trace: file of waveforms, or null.
// If trine_error then is not empty, the simulator can only be closed.
API Streams *trine_open(int64_t seed, const char *trace) {
    auto *s = new Streams;
    guarded(s, [&] {
        s->open(seed, trace);
        s->design->clk = s->design->next_rst = s->design->next_valid = s->design->next_ready = 0;
        s->design->eval();
        s->dump(0);
        return 0;
    });
    return s;
}

API void trine_close(Streams *s) { delete s; }
API uint64_t trine_cycles(const Streams *s) { return s->cycles; }
API uint64_t trine_pending(const Streams *s) { return s->queued.size() - s->sent; }
API const char *trine_error(const Streams *s) { return s->error.c_str(); }

API void trine_stalls(Streams *s, uint64_t seed, uint32_t in, uint32_t out) {
    s->random = seed * 2654435769u + 88172645463325252u;
    s->stall_in = in;
    s->stall_out = out;
}

API void trine_queue(Streams *s, const uint8_t *data, size_t size) {
    s->tidy();
    s->quiet = 0;
    s->queued.insert(s->queued.end(), data, data + size);
}

// Runs until `want` bytes have come (want 0: until nothing is queued), at most `limit` cycles, and no more than `idle`
// cycles in which no byte moves. `count` receives how many bytes were put into `out`. Returns cycles, -1 for an error.
API int64_t trine_transfer(Streams *s, uint8_t *out, size_t want, uint64_t limit, uint64_t idle, size_t *count) {
    *count = 0;
    return guarded(s, [&] {
        while (*count < want && !s->received.empty()) {
            out[(*count)++] = s->received.front();
            s->received.pop_front();
        }
        uint64_t done = 0;
        while (done < limit && s->quiet < idle && (want ? *count < want : s->sent < s->queued.size())) {
            const bool took = s->takes(), gave = s->gives();
            if (gave) {
                if (*count < want) out[(*count)++] = s->design->o_payload;
                else s->received.push_back(s->design->o_payload);
            }
            s->quiet = took || gave ? 0 : s->quiet + 1;
            s->cycle(took, !want || *count < want);
            done++;
        }
        return done;
    });
}

// `count` cycles in which nothing is taken from the design, except a byte for which it was already told ready.
API int64_t trine_run(Streams *s, uint64_t count) {
    return guarded(s, [&] {
        for (uint64_t done = 0; done < count; done++) {
            const bool took = s->takes();
            if (s->gives()) s->received.push_back(s->design->o_payload);
            s->cycle(took, false);
        }
        return count;
    });
}

// Forgets all bytes on their way, and holds the reset for one edge of the design's clock. Two cycles.
API int64_t trine_reset(Streams *s) {
    return guarded(s, [&] {
        s->queued.clear();
        s->received.clear();
        s->sent = 0;
        s->valid = s->ready = false;
        s->design->next_valid = s->design->next_ready = 0;
        s->design->next_rst = 1;
        s->edge();
        s->design->next_rst = 0;
        s->edge();
        return 2;
    });
}
