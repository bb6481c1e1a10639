import { requireOwnSession } from '@aether/platform/log';
import { openPrivacy, type Privacy } from '@aether/sync/privacy';
import { Command } from 'commander';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readOfLogin } from './environment.ts';
import { addErasing } from './privacy.erase.ts';
import { exportCommand, findCommand, type PrivacyOptions } from './privacy.find.ts';
import { readRunning } from './start/running.ts';

/** `aether privacy …`: what is held about a person, and that it goes, as privacy_app. */
export function privacyCommand(): Command {
  const privacy = new Command('privacy')
    .description('what is held about a person: find it, give it to them, erase it')
    .addCommand(findCommand(openPrivacyLogin))
    .addCommand(exportCommand(openPrivacyLogin));
  return addErasing(privacy);
}

/** @throws when no database is named, its URL cannot be read, or it is behind a transaction pooler */
async function openPrivacyLogin({ url: given }: PrivacyOptions): Promise<Privacy> {
  const url = given ?? readOfLogin('privacy_app', 'URL') ?? readRunning()?.PRIVACY_APP_URL;
  if (!url)
    throw new Error('Which database? Give --url or PRIVACY_APP_URL (as privacy_app), or run `npm start` first.');
  const setting = given ? '--url' : 'PRIVACY_APP_URL';
  requireDatabaseUrl(setting, url);
  await requireOwnSession(url, setting);
  return openPrivacy(url, { max: 1 });
}
