// SB_SPRAM256KA, the single-port RAM of iCE40 UltraPlus: 16,384 words of 16 bits.
//
// Sources: Lattice, "iCE40 SPRAM Usage Guide" (FPGA-TN-02022), and yosys, techlibs/ice40/cells_sim.v, whose model has
// the same function, but clears its words in a loop that takes yosys half a minute.
//
// Modelled: reads, writes with a mask of four bits for each quarter of a word, CHIPSELECT.
// Not modelled, so gate_level.py refuses a netlist with it: STANDBY, SLEEP, POWEROFF.
// What is undefined in the device comes out as a value that is wrong for whoever relies on it: in the cycle after a
// write, the output is the inverse of what was written. The content is anything at the start.
module SB_SPRAM256KA (
  input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN,
  input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
  output reg [15:0] DATAOUT
);
  reg [15:0] words [0:16383];
  always @(posedge CLOCK) if (CHIPSELECT) begin
    if (WREN) begin
      if (MASKWREN[0]) words[ADDRESS][3:0] <= DATAIN[3:0];
      if (MASKWREN[1]) words[ADDRESS][7:4] <= DATAIN[7:4];
      if (MASKWREN[2]) words[ADDRESS][11:8] <= DATAIN[11:8];
      if (MASKWREN[3]) words[ADDRESS][15:12] <= DATAIN[15:12];
      DATAOUT <= ~DATAIN;
    end else DATAOUT <= words[ADDRESS];
  end
endmodule
