import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeHtml, makePage } from '@aether/http';
import type Provider from 'oidc-provider';

/** A person of the local provider; one click signs in as them. */
export type Persona = {
  objectId: string;
  name: string;
  email: string;
  /** App roles; `Aether.Admin` makes an administrator where the app looks at roles. */
  roles: string[];
  /** What they do, in a few words. */
  what: string;
};

/** All personas are in one directory. */
export const localTenantId = '0a1e7e00-0000-4000-8000-00000000cafe';

/** Where the provider sends a person to say who they are. */
export const choicePath = '/choose';

const initials = (name: string) =>
  name
    .split(' ')
    .map((word) => word.charAt(0))
    .join('')
    .slice(0, 2);

/** The page on which a person says who they are, and what takes the answer. @returns whether the request was for it. */
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
  const app = String(interaction.params.client_id) === 'support' ? 'Support' : 'Foundation';
  const choices = personas.map(
    ({ objectId, name, what }) =>
      `<li><form method="post" action="${choicePath}/${uid}/${escapeHtml(objectId)}"><button><span class="mark" aria-hidden="true">${escapeHtml(initials(name))}</span>` +
      `<span>${escapeHtml(name)}<span class="what">${escapeHtml(what)}</span></span></button></form></li>`,
  );
  const { html, headers } = makePage(
    `Sign in to ${app}`,
    `<p>Who are you today?</p><ul>${choices.join('')}</ul><small>The local identity provider, for this machine only. It asks for no password.</small>`,
    // Browsers hold a form to this also where the answer to it leads on.
    "'self' http://127.0.0.1:* http://localhost:*",
  );
  response.writeHead(200, headers).end(html);
  return true;
}
