// DP16KD, the block RAM of ECP5: 2,048 bytes of 9 bits behind two ports, which yosys has as a black box only.
//
// Sources: Lattice, "ECP5 and ECP5-5G Memory Usage Guide" (FPGA-TN-02204): widths, byte enables in the low address
// bits, write modes, output registers. yosys, techlibs/lattice/brams_16kd.txt and brams_map_16kd.v: which bits of
// address, data and INITVAL belong to which word in each width, and the pseudo-dual port of 36 bits, which writes with
// port A and reads with port B through the pins of both.
//
// Modelled: every width, one clock, CE, WE, byte enables, the three write modes, output registers with OCE, INITVAL.
// Not modelled, so gate_level.py refuses a netlist with it: resets, chip selects, inverted clocks.
// What is undefined in the device comes out as a value that is wrong for whoever relies on it: a byte that one port
// reads while the other writes it reads as the inverse of what was stored.
// Content that is all zeros counts as none: the memory then starts with anything.
// The output latches start at 0, as brams_16kd.txt says; the output registers start with anything.
module DP16KD (
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2,
    DIA1, DIA0, ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0, CSA2, CSA1,
    CSA0, CEA, OCEA, CLKA, WEA, RSTA,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
    DOA1, DOA0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
    DIB1, DIB0, ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0, CSB2, CSB1,
    CSB0, CEB, OCEB, CLKB, WEB, RSTB,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
    DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "DISABLED", INIT_DATA = "STATIC", WID = 0;
  parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
  parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
  parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
  parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
  parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
  parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
  parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
  parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
  parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;

  localparam [20479:0] CONTENT = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };
  // Bytes of a word, less one; narrow words are parts of one byte.
  localparam [10:0] SPAN_A = DATA_WIDTH_A == 36 ? 3 : DATA_WIDTH_A == 18 ? 1 : 0;
  localparam [10:0] SPAN_B = DATA_WIDTH_B == 36 ? 3 : DATA_WIDTH_B == 18 ? 1 : 0;

  reg [8:0] bytes [0:2047];
  integer i;
  generate if (CONTENT != 0) initial
    for (i = 0; i < 2048; i = i + 1) bytes[i] = CONTENT[20 * (i / 2) + 9 * (i % 2) +: 9];
  endgenerate

  wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [10:0] first_a = address_a[13:3] & ~SPAN_A;
  wire [10:0] first_b = address_b[13:3] & ~SPAN_B;
  wire [3:0] enable_a = SPAN_A == 3 ? address_a[3:0] : SPAN_A == 1 ? {2'b00, address_a[1:0]} : 4'b0001;
  wire [3:0] enable_b = SPAN_B == 3 ? address_b[3:0] : SPAN_B == 1 ? {2'b00, address_b[1:0]} : 4'b0001;
  wire write_a = CEA & WEA, write_b = CEB & WEB;
  wire [17:0] pins_a = {
      DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
      DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
  };
  wire [17:0] pins_b = {
      DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
      DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0
  };

  // A narrow word at its place in the byte, and the bits of the byte that are written.
  wire [8:0] place_a = DATA_WIDTH_A == 4 ? 9'h00f << {address_a[2], 2'b00}
      : DATA_WIDTH_A == 2 ? 9'h003 << {address_a[2:1], 1'b0} : DATA_WIDTH_A == 1 ? 9'h001 << address_a[2:0] : 9'h1ff;
  wire [8:0] place_b = DATA_WIDTH_B == 4 ? 9'h00f << {address_b[2], 2'b00}
      : DATA_WIDTH_B == 2 ? 9'h003 << {address_b[2:1], 1'b0} : DATA_WIDTH_B == 1 ? 9'h001 << address_b[2:0] : 9'h1ff;
  wire [35:0] data_a = DATA_WIDTH_A == 36 ? {pins_b, pins_a} : DATA_WIDTH_A == 4 ? {2{pins_a[3:0]}}
      : DATA_WIDTH_A == 2 ? {4{pins_a[1:0]}} : DATA_WIDTH_A == 1 ? {8{pins_a[0]}} : pins_a;
  wire [35:0] data_b = DATA_WIDTH_B == 4 ? {2{pins_b[3:0]}}
      : DATA_WIDTH_B == 2 ? {4{pins_b[1:0]}} : DATA_WIDTH_B == 1 ? {8{pins_b[0]}} : pins_b;

  wire [35:0] word_a, word_b;
  genvar n;
  generate
    for (n = 0; n < 4; n = n + 1) begin: lane
      if (n <= SPAN_A) begin: a
        wire [10:0] at = first_a | n;
        wire [8:0] old = bytes[at];
        wire [8:0] written = old & ~place_a | data_a[9 * n +: 9] & place_a;
        always @(posedge CLKA) if (write_a & enable_a[n]) bytes[at] <= written;
        wire [8:0] clash = place_b & {9{write_b & ((at & ~SPAN_B) == first_b) & enable_b[at[1:0] & SPAN_B[1:0]]}};
        assign word_a[9 * n +: 9] = WRITEMODE_A == "WRITETHROUGH" && WEA && enable_a[n] ? written : old ^ clash;
      end else begin: a
        assign word_a[9 * n +: 9] = 0;
      end
      if (n <= SPAN_B) begin: b
        wire [10:0] at = first_b | n;
        wire [8:0] old = bytes[at];
        wire [8:0] written = old & ~place_b | data_b[9 * n +: 9] & place_b;
        if (DATA_WIDTH_B != 36) always @(posedge CLKB) if (write_b & enable_b[n]) bytes[at] <= written;
        wire [8:0] clash = place_a & {9{write_a & ((at & ~SPAN_A) == first_a) & enable_a[at[1:0] & SPAN_A[1:0]]}};
        assign word_b[9 * n +: 9] = WRITEMODE_B == "WRITETHROUGH" && WEB && enable_b[n] ? written : old ^ clash;
      end else begin: b
        assign word_b[9 * n +: 9] = 0;
      end
    end
  endgenerate

  wire [35:0] read_a = DATA_WIDTH_A == 4 ? word_a >> {address_a[2], 2'b00} & 4'hf
      : DATA_WIDTH_A == 2 ? word_a >> {address_a[2:1], 1'b0} & 2'h3
      : DATA_WIDTH_A == 1 ? word_a >> address_a[2:0] & 1'b1 : word_a;
  wire [35:0] read_b = DATA_WIDTH_B == 4 ? word_b >> {address_b[2], 2'b00} & 4'hf
      : DATA_WIDTH_B == 2 ? word_b >> {address_b[2:1], 1'b0} & 2'h3
      : DATA_WIDTH_B == 1 ? word_b >> address_b[2:0] & 1'b1 : word_b;

  reg [17:0] latch_a = 0;
  reg [35:0] latch_b = 0;
  always @(posedge CLKA) if (CEA & (~WEA | WRITEMODE_A != "NORMAL")) latch_a <= read_a[17:0];
  always @(posedge CLKB) if (CEB & (~WEB | WRITEMODE_B != "NORMAL")) latch_b <= read_b;

  wire [17:0] before_a = DATA_WIDTH_B == 36 ? latch_b[17:0] : latch_a;
  wire [17:0] before_b = DATA_WIDTH_B == 36 ? latch_b[35:18] : latch_b[17:0];
  reg [17:0] register_a, register_b;
  always @(posedge CLKA) if (OCEA) register_a <= before_a;
  always @(posedge CLKB) if (OCEB) register_b <= before_b;
  assign {
      DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
      DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0
  }
      = REGMODE_A == "OUTREG" ? register_a : before_a;
  assign {
      DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
      DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
  }
      = REGMODE_B == "OUTREG" ? register_b : before_b;
endmodule
