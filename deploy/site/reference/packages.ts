import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackages, publishedPackages } from '../../packages/build.ts';
import { type Declared, readDoor } from '../../packages/report.ts';
import { code, paragraphs, type ReferencePage } from './text.ts';

/** What the published packages export: their declarations, as the compiler writes them, with the words of the sources. */
export function describePackages(): ReferencePage[] {
  const into = mkdtempSync(join(tmpdir(), 'aether-reference-'));
  try {
    const folders = buildPackages(into);
    return publishedPackages.map(({ room, doors }, at) => ({
      path: `reference/package-${room}.md`,
      text: paragraphs(
        `# Package @aether/${room}`,
        `Everything that the package promises; ${code(`deploy/packages/api/${room}*.txt`)} keeps it under review, and the check of a change refuses what is not written there.`,
        ...Object.entries(doors).flatMap(([door, file]) => {
          const { exported, named } = readDoor(join(folders[at] as string, 'lib'), file.replace(/\.ts$/, '.d.ts'));
          return [
            `## ${code(`@aether/${room}${door.slice(1)}`)}`,
            ...exported.map(describe),
            named.length > 0 && `### Named by these in @aether/${room}${door.slice(1)}`,
            ...named.map((each) => describeMore(each)),
          ];
        }),
      ),
    }));
  } finally {
    rmSync(into, { recursive: true, force: true });
  }
}

const fence = (text: string) => `\`\`\`ts\n${text}\n\`\`\``;

function describe({ name, words, text }: Declared): string {
  return paragraphs(`### ${name}`, words, fence(text));
}

/** A type that no caller imports, without a heading of its own. */
function describeMore({ words, text }: Declared): string {
  return paragraphs(words, fence(text));
}
