import { installedFor, type Lock, type Locked, needsOf, readLock, resolvePackage } from './lock.ts';
import { type Reached, reachFrom } from './reach.ts';

/** The rooms whose web apps, and the widget, are built into files for browsers. */
const webRooms = ['foundation', 'support', 'sync', 'ui'];

/** What a production install has. */
export type Production = {
  reached: Reached;
  /** The lock file of the install: the rooms with what their reached files import, and the packages for that. */
  lock: Lock;
  /** The paths of the installed packages in the lock file. */
  installed: string[];
  /** The paths of the packages that are in the builds of the web apps, as far as they are not installed as well. */
  bundled: string[];
  /** Those of both that a room itself asks for. */
  direct: string[];
};

export function describeProduction(lock = readLock(), reached = reachFrom()): Production {
  const rooms = Object.keys(reached.packages).sort();
  const reduced: Lock = { ...lock, packages: { ...lock.packages } };
  for (const room of rooms) reduced.packages[room] = reduceRoom(room, lock.packages[room] as Locked, reached);
  const installed = installedFor(reduced, reached.packages);
  const webNeeds = needsOfRooms(lock, webRooms);
  const whole = [...new Set([...installed, ...installedFor(lock, webNeeds)])].sort();
  const asked = Object.entries(reached.packages).concat(Object.entries(webNeeds));
  const { name, version, license } = lock.packages[''] as Locked;
  return {
    reached,
    lock: {
      ...lock,
      packages: {
        '': { name, version, ...(license && { license }), workspaces: rooms, engines: { node: '>=26' } },
        ...Object.fromEntries(rooms.map((room) => [room, reduced.packages[room] as Locked])),
        ...Object.fromEntries(rooms.map((room) => [`node_modules/@aether/${room}`, { resolved: room, link: true }])),
        ...Object.fromEntries(installed.map((path) => [path, asRequired(lock.packages[path] as Locked)])),
      },
    },
    installed,
    bundled: whole.filter((path) => !installed.includes(path)),
    direct: [...new Set(asked.flatMap(([room, names]) => names.map((name) => resolvePackage(lock, room, name))))]
      .filter((path) => whole.includes(path))
      .sort(),
  };
}

const needsOfRooms = (lock: Lock, rooms: string[]): Record<string, string[]> =>
  Object.fromEntries(rooms.map((room) => [room, needsOf(lock.packages[room] as Locked)]));

/** A room that needs what its reached files import, and nothing for tests. @throws Error if its package.json lacks a package. */
function reduceRoom(room: string, { name, version, dependencies = {} }: Locked, { packages }: Reached): Locked {
  const imported = packages[room] ?? [];
  const undeclared = imported.filter((each) => !(each in dependencies) && each !== name);
  if (undeclared.length > 0)
    throw new Error(`${room} imports ${undeclared.join(', ')}, and its package.json has none.`);
  return {
    name,
    version,
    dependencies: Object.fromEntries(Object.entries(dependencies).filter(([each]) => imported.includes(each))),
  };
}

const asRequired = ({ dev: _, optional: __, devOptional: ___, optionalDependencies: ____, ...entry }: Locked): Locked =>
  entry;
