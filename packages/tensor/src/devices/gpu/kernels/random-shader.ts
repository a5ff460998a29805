/**
 * Random numbers on the device: the arithmetic of the wasm device's kernel, step by step, since WGSL promises too
 * little of its own logarithm, sine and cosine. Uniform numbers have its bits; of normal ones the last bits may differ,
 * as WGSL may fuse multiplications with additions and need not round quotients and roots to the nearest.
 */
import type { ShaderCode } from '../backend.ts';

/** Threads of a workgroup; each makes the four numbers of a block. */
export const THREADS = 64;

const FUNCTIONS = `
fn widen(a : u32, b : u32) -> vec2<u32> {
  let low = a * b;
  let middle = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
  let carry = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return vec2<u32>((a >> 16u) * (b >> 16u) + (middle >> 16u) + (carry >> 16u), low);
}

fn philox(block : u32) -> vec4<u32> {
  var c = vec4<u32>(block, 0u, 0u, 0u);
  var key = vec2<u32>(bitcast<u32>(params.keyLow), bitcast<u32>(params.keyHigh));
  for (var round = 0; round < 10; round++) {
    let first = widen(0xd2511f53u, c.x);
    let second = widen(0xcd9e8d57u, c.z);
    c = vec4<u32>(second.x ^ c.y ^ key.x, second.y, first.x ^ c.w ^ key.y, first.y);
    key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// sqrt(-2 ln u) of u in (0, 1]: u = m 2^e with m around 1, ln m = 2 artanh((m - 1) / (m + 1)) by its series.
fn radius(u : f32) -> f32 {
  let shifted = bitcast<i32>(u) - 0x3f3504f3;
  let exponent = shifted >> 23u;
  let m = bitcast<f32>(bitcast<i32>(u) - (exponent << 23u));
  let s = (m - 1.0) / (m + 1.0);
  let s2 = s * s;
  let series = ((-4.0 / 9.0 * s2 - 4.0 / 7.0) * s2 - 4.0 / 5.0) * s2 - 4.0 / 3.0;
  return sqrt(f32(exponent) * -1.3862943611198906 + (series * s2 * s + s * -4.0));
}

// Cosine and sine of a turn in [0, 1), from the nearest quarter and what is left beyond it, at most pi / 4.
fn direction(turn : f32) -> vec2<f32> {
  let quarters = round(turn * 4.0);
  let x = (turn * 4.0 - quarters) * 1.5707963267948966;
  let x2 = x * x;
  let sine = x + (((x2 / 362880.0 - 1.0 / 5040.0) * x2 + 1.0 / 120.0) * x2 - 1.0 / 6.0) * x2 * x;
  let cosine = ((((-1.0 / 3628800.0 * x2 + 1.0 / 40320.0) * x2 - 1.0 / 720.0) * x2 + 1.0 / 24.0) * x2 - 0.5) * x2 + 1.0;
  let quarter = i32(quarters) & 3;
  let turned = select(vec2<f32>(cosine, sine), vec2<f32>(-sine, cosine), (quarter & 1) == 1);
  return select(turned, -turned, quarter >= 2);
}
`;

const BODY = `let block = group.x * ${THREADS}u + index;
  if (block * 4u >= u32(params.count)) { return; }
  let bits = philox(block) >> vec4<u32>(8u);
  let unit = 1.0 / 16777216.0;
  var numbers = vec4<f32>(bits) * unit;
  if (params.normal == 1) {
    numbers = vec4<f32>(
      radius(f32(bits.x + 1u) * unit) * direction(numbers.y),
      radius(f32(bits.z + 1u) * unit) * direction(numbers.w),
    );
  }
  for (var i = 0u; i < 4u; i++) {
    if (block * 4u + i < u32(params.count)) { out[block * 4u + i] = numbers[i]; }
  }`;

/** Writes `count` numbers to `out`, from key `keyLow`, `keyHigh`; `normal` says which. */
export const RANDOM_SHADER: ShaderCode = { threads: [THREADS, 1], functions: FUNCTIONS, body: BODY };
