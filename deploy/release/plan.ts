/** What a release is made of: the state of the repository, and the texts of the files that name the version. */
export type Repository = {
  branch: string;
  /** Files that differ from the last commit, or are not in it. */
  changed: string[];
  tags: string[];
  changelog: string;
  /** package.json of the root and of each room, and package-lock.json, by their paths. */
  manifests: Record<string, string>;
};

export type Release = { version: string; tag: string; notes: string; files: Record<string, string> };

const heading = /^## (\d+\.\d+\.\d+) — (unreleased|\d{4}-\d{2}-\d{2})$/gm;

/**
 * The release of what the changelog calls unreleased. Pure.
 *
 * @param day as 2026-11-29.
 * @returns the release, or why there can be none, each reason with what to do.
 */
export function planRelease(repository: Repository, day: string): Release | { problems: string[] } {
  const { branch, changed, tags, changelog, manifests } = repository;
  const sections = [...changelog.matchAll(heading)].map(([line, version = '', state], at, all) => ({
    line,
    version,
    state,
    text: changelog.slice((all[at]?.index ?? 0) + line.length, all[at + 1]?.index).trim(),
  }));
  const [newest, ...older] = sections;
  if (newest?.state !== 'unreleased')
    return { problems: ['CHANGELOG.md does not begin with a section `## 1.2.3 — unreleased`: write what is new.'] };
  const { version, text } = newest;
  const tag = `v${version}`;
  const last = older[0]?.version;
  const problems = [
    branch !== 'main' && `This is ${branch || 'no branch'}: releases are made of main.`,
    changed.length > 0 && `These files are not committed: ${changed.join(', ')}.`,
    tags.includes(tag) && `The tag ${tag} is there already: begin a new section in CHANGELOG.md.`,
    text === '' && `The section ${version} of CHANGELOG.md is empty: write what is new.`,
    older.some(({ state }) => state === 'unreleased') && 'CHANGELOG.md has two unreleased sections: join them.',
    last !== undefined && !isAbove(version, last) && `${version} does not come after ${last}, the last release.`,
  ].filter((problem) => problem !== false);
  if (problems.length > 0) return { problems };
  return {
    version,
    tag,
    notes: text,
    files: {
      'CHANGELOG.md': changelog.replace(newest.line, `## ${version} — ${day}`),
      ...Object.fromEntries(
        Object.entries(manifests)
          .map(([path, manifest]) => [path, withVersion(manifest, version)] as const)
          .filter(([path, manifest]) => manifest !== manifests[path]),
      ),
    },
  };
}

/** The files that `git status --porcelain` names, whether or not the blanks before its first line are there. Pure. */
export const changedFiles = (porcelain: string): string[] =>
  porcelain
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.replace(/^\s*\S+\s+/, ''));

function isAbove(version: string, other: string): boolean {
  const [one = [], two = []] = [version, other].map((each) => each.split('.').map(Number));
  const at = one.findIndex((number, index) => number !== two[index]);
  return at >= 0 && (one[at] ?? 0) > (two[at] ?? 0);
}

/** A package.json or package-lock.json in which this repository's packages have the version, and need each other in it. Pure. */
function withVersion(text: string, version: string): string {
  const manifest = JSON.parse(text);
  const isOwn = (name: string | undefined) => name === 'aether-sync' || name?.startsWith('@aether/') === true;
  const entries = Object.values((manifest.packages ?? {}) as Record<string, Record<string, unknown>>);
  for (const entry of [manifest, ...entries]) {
    if (isOwn(entry.name) && entry.version) entry.version = version;
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'])
      for (const name of Object.keys(entry[kind] ?? {})) if (isOwn(name)) entry[kind][name] = version;
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
