import { randomInt } from 'node:crypto';

/**
 * A port to look for a free one from, for a server that a test stops and starts again on its port: runs that begin at the same
 * time begin elsewhere, and no system gives such a port to a connection that goes out.
 */
export const newTestPort = (): number => randomInt(20_000, 30_000);
