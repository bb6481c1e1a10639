import { ServerResponse } from 'node:http';
import { startFoundation } from './index.ts';

/*
 * A process of Foundation that kills itself with SIGKILL when it has created something, before it answers. It prints its address. Its
 * settings are its environment.
 */
const { writeHead } = ServerResponse.prototype;
ServerResponse.prototype.writeHead = function dying(this: ServerResponse, ...given: Parameters<typeof writeHead>) {
  if (given[0] === 201) process.kill(process.pid, 'SIGKILL');
  return writeHead.apply(this, given);
} as typeof writeHead;
const { url } = await startFoundation({ port: 0, withoutSubscriptions: true });
console.log(url);
