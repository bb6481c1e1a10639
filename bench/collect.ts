/*
 * Loaded into a server whose memory is measured: it collects garbage when it is told to, so that the memory is what the server holds and not
 * what it has not thrown away yet.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: NodeJS.GCFunction = runInNewContext('gc');
process.on('message', (asked) => {
  if (asked !== 'collect') return;
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  process.send?.('collected');
});
process.channel?.unref();
