import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/* Azurite, the emulator of Azure Storage. With what it needs it is 360 MB in 450 packages, too much for everybody who installs the repository. */

export const emulatorVersion = '3.37.0';
export const emulatorFolder = join(import.meta.dirname, '..', 'node_modules', '.cache', 'azurite');
export const emulatorFile = join(emulatorFolder, 'node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js');

/** The account that every emulator has, as its documentation says. */
const account = 'devstoreaccount1';
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export type Emulator = { connectionString: string; stop(): Promise<void> };

/** Starts it on a free port, with its files in a folder of its own. */
export async function startEmulator(): Promise<Emulator> {
  const folder = await mkdtemp(join(tmpdir(), 'aether-azurite-'));
  const child: ChildProcess = spawn(
    process.execPath,
    [emulatorFile, '--silent', '--skipApiVersionCheck', '--disableTelemetry', '--blobPort', '0', '--location', folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const limit = setTimeout(() => child.kill(), 30_000);
  const port = await readPort(child);
  clearTimeout(limit);
  return {
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=http://127.0.0.1:${port}/${account};`,
    async stop() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function readPort(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (words) => {
      said += words;
      const [, port] = /successfully listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      if (port) resolve(port);
    });
    child.once('exit', () => reject(new Error(`the emulator of Azure did not start: ${said}`)));
  });
}
