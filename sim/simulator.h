// What every compiled simulator has, whatever its harness: a design, its waveforms, and errors that stay errors.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "Vsim.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#define API extern "C" __attribute__((visibility("default")))

// Verilator's own handler ends the process.
void vl_fatal(const char *, int, const char *, const char *message) { throw std::runtime_error(message); }
void vl_finish(const char *, int, const char *) {}
void vl_stop(const char *, int, const char *) {}

namespace {

struct Simulator {
    VerilatedContext context;
    Vsim *design = nullptr;
#if VM_TRACE
    VerilatedVcdC *waveform = nullptr;
#endif
    std::string error;

    ~Simulator() {
#if VM_TRACE
        if (waveform) { waveform->close(); delete waveform; }
#endif
        if (design) { design->final(); delete design; }
    }

    // seed < 0: memories without content start as zeros, otherwise at random. trace: file of waveforms, or null.
    void open(int64_t seed, const char *trace) {
        context.randReset(seed < 0 ? 0 : 2);
        context.randSeed(seed < 0 ? 1 : static_cast<int>(seed % 2147483647) + 1);
        const char *arguments[] = {"sim", "+random_memories"};  // see systemverilog.py
        context.commandArgs(seed < 0 ? 1 : 2, arguments);
        context.traceEverOn(trace != nullptr);
        design = new Vsim(&context, "sim");
#if VM_TRACE
        if (trace) {
            waveform = new VerilatedVcdC;
            design->trace(waveform, 99);
            waveform->dumpvars(99, "sim.harness.top");  // the harness only repeats the design's ports
            waveform->open(trace);
            if (!waveform->isOpen()) throw std::runtime_error("cannot write the waveform file");
        }
#endif
    }

    void dump(uint64_t time) {
#if VM_TRACE
        if (waveform) waveform->dump(time);
#else
        (void)time;
#endif
    }
};

template <typename Action> int64_t guarded(Simulator *s, Action action) {
    try {
        Verilated::threadContextp(&s->context);  // what the library's own functions refer to
        return static_cast<int64_t>(action());
    } catch (const std::exception &problem) {
        s->error = problem.what();
        return -1;
    }
}

}  // namespace
