import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeHtml, makePage } from '@aether/http';
import type Provider from 'oidc-provider';

/** A person of the local provider. One click signs in as this person. */
export type Persona = {
  objectId: string;
  name: string;
  email: string;
  /** App roles. `Aether.Admin` makes an administrator if the app uses roles. */
  roles: string[];
  /** The person's job, in a few words. */
  what: string;
};

/** The directory of all personas. */
export const localTenantId = '0a1e7e00-0000-4000-8000-00000000cafe';

/** The address of the page on which a person chooses a persona. */
export const choicePath = '/choose';

const initials = (name: string) =>
  name
    .split(' ')
    .map((word) => word.charAt(0))
    .join('')
    .slice(0, 2);

/**
 * Serves the page on which a person chooses a persona, and takes the answer.
 *
 * @returns whether the request was for this page.
 */
export async function answerChoice(
  provider: Provider,
  personas: readonly Persona[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const [, uid, chosen] = /^\/choose\/([\w-]{1,64})(?:\/([\w-]{1,64}))?$/.exec(request.url ?? '') ?? [];
  if (uid === undefined) return false;
  const interaction = await provider.interactionDetails(request, response).catch(() => undefined);
  if (interaction?.uid !== uid) {
    const { html, headers } = makePage(
      'This sign-in is over',
      '<p>It took too long, or was finished already. Go back to the app and sign in again.</p>',
    );
    response.writeHead(400, headers).end(html);
    return true;
  }
  const persona = personas.find(({ objectId }) => objectId === chosen);
  if (request.method === 'POST' && persona) {
    await provider.interactionFinished(request, response, { login: { accountId: persona.objectId, remember: false } });
    return true;
  }
  const choices = personas.map(
    ({ objectId, name, what }) =>
      `<li><form method="post" action="${choicePath}/${uid}/${escapeHtml(objectId)}"><button><span class="mark" aria-hidden="true">${escapeHtml(initials(name))}</span>` +
      `<span>${escapeHtml(name)}<span class="what">${escapeHtml(what)}</span></span></button></form></li>`,
  );
  const { html, headers } = makePage(
    `Sign in to ${titleOf(String(interaction.params.client_id))}`,
    `<p>Who are you today?</p><ul>${choices.join('')}</ul><small>The local identity provider, for this machine only. It asks for no password.</small>`,
    // Browsers apply this to the redirects after the form as well.
    "'self' http://127.0.0.1:* http://localhost:*",
  );
  response.writeHead(200, headers).end(html);
  return true;
}

/** An app's name as its head shows it: only apps send a person here, and their clients have their names. */
export const titleOf = (app: string) => escapeHtml(app.charAt(0).toUpperCase() + app.slice(1));
