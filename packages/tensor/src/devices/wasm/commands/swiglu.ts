/** Words of the gated linear unit; `columns` is the width of a gate. */
export const swiglu = {
  SWI_GLU: { rows: 'i32', columns: 'i32', rowsPerTile: 'i32', x: 'address', out: 'address' },
  SWI_GLU_BACKWARD: {
    rows: 'i32',
    columns: 'i32',
    rowsPerTile: 'i32',
    x: 'address',
    gradient: 'address',
    gradX: 'address',
  },
} as const;
