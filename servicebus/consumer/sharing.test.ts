import { describe, expect, test } from 'vitest';
import { createShare, type Peer } from './sharing.ts';

const asking = (held: number): Peer => ({ held, asks: true });

describe('a process that holds lanes', () => {
  test('gives up what is beyond its share as soon as another process asks, and no more when that one has it', () => {
    const share = createShare();
    expect(share.surplus(8, [])).toBe(0);
    expect(share.surplus(8, [asking(0)])).toBe(4);
    expect(share.surplus(4, [asking(2)])).toBe(0);
    expect(share.surplus(4, [asking(4)])).toBe(0);
    // A third one comes.
    expect(share.surplus(4, [asking(4), asking(0)])).toBe(1);
  });

  test('keeps its half while the other process asks and gets none, and gives up nothing for one that does not ask', () => {
    const share = createShare();
    expect(share.surplus(8, [asking(0)])).toBe(4);
    for (let looks = 0; looks < 5; looks++) expect(share.surplus(4, [asking(0)])).toBe(0);
    expect(share.surplus(8, [{ held: 0, asks: false }])).toBe(0);
  });

  test('gives up again what it has taken back', () => {
    const share = createShare();
    expect(share.surplus(8, [asking(0)])).toBe(4);
    for (let lanes = 0; lanes < 4; lanes++) share.noteTaken();
    expect(share.surplus(8, [asking(0)])).toBe(4);
  });
});
