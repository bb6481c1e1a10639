import { type App, type Authenticate, describeSignIn, type ServerContext } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { authenticator } from './authenticate.ts';
import { cookiesOf } from './cookies.ts';
import { addFlowRoutes } from './flow.routes.ts';
import { addOwnRoutes } from './own.routes.ts';
import { accessProvider } from './provideraccess.ts';
import { readSignInSettings } from './settings.ts';
import { addSignInRoutes } from './signins.routes.ts';
import { watchProvider } from './watching.ts';

export { type ServiceToken, serviceToken } from './servicetoken.ts';
export type { SignInRoutes } from './signins.routes.ts';

/**
 * Adds sign-in to an app's server: its routes, and a function that identifies the sender of a request. docs/signin.md
 * lists the settings.
 *
 * @throws ConfigurationError
 */
export function addSignIn(
  app: App,
  db: PlatformDb,
  {
    variables,
    log,
    publicUrl,
    url,
    scopes,
    neighbours,
  }: Pick<ServerContext, 'variables' | 'log' | 'publicUrl' | 'url' | 'scopes' | 'neighbours'>,
): Authenticate {
  const settings = readSignInSettings(variables);
  const provider = accessProvider(settings);
  const cookies = cookiesOf(db.app, publicUrl?.protocol === 'https:');
  describeSignIn(app, scopes, cookies.name, () => provider.tokenUrl() ?? settings.issuer.href);
  addFlowRoutes(app, { db, log, settings, provider, cookies, url });
  addOwnRoutes(app, { db, provider, cookies, url, neighbours });
  addSignInRoutes(app, db);
  watchProvider(db, provider);
  return authenticator({ db, log, settings, provider, cookies, publicUrl });
}
