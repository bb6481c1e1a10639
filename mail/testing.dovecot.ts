import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/* A real IMAP server for tests: Debian's dovecot-imapd, where it is installed. */

const program = '/usr/sbin/dovecot';
export const hasDovecot = existsSync(program);

export type TestMailbox = {
  url: string;
  /** Puts a mail into the mailbox, as a mail server delivers it. */
  deliver(raw: Uint8Array): Promise<void>;
  /** How many mails are there that no program has touched. */
  countUntouched(): Promise<number>;
  close(): Promise<void>;
};

export async function startDovecot(): Promise<TestMailbox> {
  const folder = await mkdtemp(join(tmpdir(), 'aether-imap-'));
  const box = join(folder, 'mail');
  for (const each of ['new', 'cur', 'tmp']) await mkdir(join(box, each), { recursive: true });
  execFileSync('chmod', ['-R', '0777', folder]);
  const port = await findPort();
  // A server of root gives mail to nobody but another user.
  const user = userInfo();
  const isRoot = user.uid === 0;
  const config = `
    protocols = imap
    listen = 127.0.0.1
    base_dir = ${folder}/run
    state_dir = ${folder}/state
    log_path = ${folder}/log
    ssl = no
    disable_plaintext_auth = no
    mail_location = maildir:${box}
    first_valid_uid = 1
    first_valid_gid = 1
    ${isRoot ? '' : `default_internal_user = ${user.username}\ndefault_login_user = ${user.username}`}
    passdb {
      driver = static
      args = password=secret
    }
    userdb {
      driver = static
      args = uid=${isRoot ? 65534 : user.uid} gid=${isRoot ? 65534 : user.gid} home=${folder}
    }
    service imap-login {
      ${isRoot ? '' : 'chroot ='}
      inet_listener imap {
        port = ${port}
      }
      inet_listener imaps {
        port = 0
      }
    }
    service anvil {
      ${isRoot ? '' : 'chroot ='}
    }`;
  await writeFile(join(folder, 'dovecot.conf'), config);
  const server = spawn(program, ['-F', '-c', join(folder, 'dovecot.conf')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const log = join(folder, 'log');
  while (!(existsSync(log) && (await readFile(log, 'utf8')).includes('starting up'))) {
    if (server.exitCode !== null)
      throw new Error(`dovecot did not start: ${await readFile(log, 'utf8').catch(() => '')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  let delivered = 0;
  return {
    url: `imap://ann:secret@127.0.0.1:${port}/INBOX`,
    async deliver(raw) {
      delivered += 1;
      const name = `${Math.floor(Date.now() / 1_000)}.${process.pid}_${delivered}.test`;
      await writeFile(join(box, 'tmp', name), raw);
      await chmod(join(box, 'tmp', name), 0o666);
      await rename(join(box, 'tmp', name), join(box, 'new', name));
    },
    async countUntouched() {
      const marked = (await readdir(join(box, 'cur'))).filter((name) => !/:2,$/.test(name));
      return (await readdir(join(box, 'new'))).length + (await readdir(join(box, 'cur'))).length - marked.length;
    },
    async close() {
      server.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function findPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
