/** The dashes of the lines of a chart, in pixels: they differ without their colours. A chart has at most so many lines. */
export const dashes: number[][] = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2]];
