/** Whether this is `npm run test:long`, with the whole sample of each random test. */
export const isLong = process.env.AETHER_TEST_LONG !== undefined;

/**
 * How much a random test or one under load tries: all of it in `npm run test:long`, and a part in `npm test`, whose time everybody waits for.
 * A part tries the same kinds of things: where chance decides, other ones each time.
 */
export const sample = (all: number, part = Math.ceil(all / 4)): number => (isLong ? all : part);
