/** `npm run licences`: prints the licence of each package that is given to others; ends with 1 if nobody has allowed one. */
import { requireLicences } from './papers.ts';
import { describeProduction } from './production.ts';

try {
  const production = describeProduction();
  const licences = requireLicences(production);
  const byLicence = Map.groupBy(licences, ({ licence }) => licence);
  for (const [licence, packages] of [...byLicence].sort(([, one], [, other]) => other.length - one.length))
    console.log(
      `${licence} (${packages.length}): ${packages.map(({ name, version }) => `${name} ${version}`).join(', ')}`,
    );
  console.log(`${production.installed.length} installed, ${production.bundled.length} more in the built web apps.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
