import { type Lock, type Locked, nameAt, needsOf, resolvePackage } from './lock.ts';

type Component = { type: 'library'; 'bom-ref': string; name: string; version: string; [field: string]: unknown };

/**
 * The components of a production install as CycloneDX 1.6, for scanners of vulnerabilities: each package with its version, licence, hash and what it
 * needs. The same lock file gives the same bytes, so that two builds can be compared. Pure.
 *
 * @param installed the paths of what is installed.
 * @param bundled the paths of what the built web apps contain.
 * @param direct the paths of those that are asked for by name.
 */
export function describeComponents(
  lock: Lock,
  { installed, bundled, direct }: { installed: string[]; bundled: string[]; direct: string[] },
): object {
  const { name = 'aether-sync', version = '' } = lock.packages[''] as Locked;
  const own = `pkg:npm/${name}@${version}`;
  const known = new Set([...installed, ...bundled]);
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': own, name, version } },
    components: [...known].sort().map((path) => describeComponent(lock, path, installed.includes(path))),
    dependencies: [
      { ref: own, dependsOn: direct },
      ...[...known].sort().map((path) => ({
        ref: path,
        dependsOn: needsOf(lock.packages[path] as Locked)
          .map((need) => resolvePackage(lock, path, need))
          .filter((each) => known.has(each))
          .sort(),
      })),
    ],
  };
}

function describeComponent(lock: Lock, path: string, isInstalled: boolean): Component {
  const { version = '', license, integrity } = lock.packages[path] as Locked;
  const name = nameAt(path);
  const [algorithm, hash] = integrity?.split('-') ?? [];
  return {
    type: 'library',
    'bom-ref': path,
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    // An expression may name several licences; a single one is an expression too.
    licenses: [{ expression: license ?? 'NOASSERTION' }],
    ...(algorithm === 'sha512' &&
      hash && { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
    properties: [{ name: 'aether:place', value: isInstalled ? 'installed' : 'in the built web apps' }],
  };
}
