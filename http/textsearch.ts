import { nameUsers, type Queryable } from '@aether/platform';
import { mentionsIn } from '@aether/platform/mentions';
import {
  type FoundText,
  findTexts,
  isBefore,
  justAfter,
  nameInExcerpt,
  queryCharactersMax,
  readTextQuery,
  searchTimeMs,
  type TextPlace,
  type TextQuery,
  type TextSource,
} from '@aether/platform/texts';
import { cursor, type cursorsOf } from './cursors.ts';
import { line, object, pageSize } from './input/fields.ts';
import { z } from './input/zod.ts';
import { refuseFields } from './problem.ts';

/*
 * The search in texts is alike in both apps: what may be asked, the order, the pages, the marked words. An app says which texts there are, who
 * may read them, and what of a record is shown (platform/texts finds them).
 *
 * The best texts come first among the newest ones: of a window of so many, all that match are read and ordered. When the window is shown, the
 * next one is that of older texts. So a page costs the same however many texts match, and the last page has the last of them.
 */

const windowMax = 200;
const orders = ['best', 'newest'] as const;
type Order = (typeof orders)[number];

/** The query of a search in texts. */
export const textQuery = <const Kinds extends readonly [string, ...string[]]>(kinds: Kinds) =>
  object({
    q: line({ charactersMax: queryCharactersMax }).openapi({
      description:
        'Every word must be in the text, also as the beginning of a longer one. "Words in quotes" follow each other, and -word must not be in it.',
      example: 'refund "order 1234" -invoice',
    }),
    kind: z.enum(kinds).optional().openapi({ description: 'Only texts of this kind.' }),
    order: z
      .enum(orders)
      .default('best')
      .openapi({
        description: `best: of the newest ${windowMax} texts the best first, then the older ones likewise. newest: by time alone.`,
      }),
    cursor: cursor().optional(),
    limit: pageSize({ max: 50, default: 20 }),
  });

const ExcerptSchema = z
  .object({
    text: z.string(),
    marks: z
      .array(z.object({ from: z.int(), to: z.int() }))
      .openapi({ description: 'Where the words are in this text, in UTF-16 units; in order and apart.' }),
    starts_inside: z.boolean().openapi({ description: 'The text has more before it.' }),
    ends_inside: z.boolean().openapi({ description: 'The text has more behind it.' }),
  })
  .openapi('Excerpt');

/** The answer of a search in texts. */
export const TextSearchSchema = <Result extends z.ZodRawShape>(name: string, result: Result) =>
  z.object({
    results: z.array(
      z
        .object({ ...result, id: z.string(), at: z.string().openapi({ format: 'date-time' }), excerpt: ExcerptSchema })
        .openapi(name),
    ),
    next_cursor: z.string().nullable().openapi({
      description: 'null: this was the last page. A page may have few results, or none, and another page.',
    }),
    searched_to: z.string().nullable().openapi({
      format: 'date-time',
      description: 'The texts back to this time have been searched so far; null: all of them.',
    }),
  });

export type TextResult<Record> = Record & { id: string; at: string; excerpt: ReturnType<FoundText['excerpt']> };

type Asked = { q: string; kind?: string | undefined; order: Order; cursor?: string | undefined; limit: number };

/** Before all texts. */
const theBeginning: TextPlace = ['0001-01-01 00:00:00', ''];

/**
 * Where a page of a window ended, or where the next window begins. The window has the texts before one place, and not before the other: on
 * its second page it is the same, whatever has come meanwhile.
 */
type State = {
  before: TextPlace | null;
  from?: TextPlace;
  after?: [score: number, ...TextPlace];
};

/**
 * Answers a search in texts.
 *
 * @param sources the texts that the caller may read
 * @param describe reads what is shown of the records of one kind, by the ids of their texts; a text without its record is left out
 * @throws Problem for a query that has nothing to look for, and for a cursor of another search
 */
export async function answerTexts<Record extends object>(
  on: Queryable,
  cursors: ReturnType<typeof cursorsOf>,
  { q, kind, order, cursor, limit }: Asked,
  sources: TextSource[],
  describe: (kind: string, ids: string[]) => Promise<Map<string, Record>>,
): Promise<{ results: TextResult<Record>[]; next_cursor: string | null; searched_to: string | null }> {
  const query = readTextQuery(q);
  if ('problem' in query) throw refuseFields([{ field: 'q', in: 'query', message: query.problem }]);
  const list = `texts ${order} ${kind ?? 'all'} ${q}`;
  const place = await cursors.open(list, cursor);
  const state: State = place ? JSON.parse(place[1]) : { before: null };
  const { page, next, searchedTo } = await readPage(on, query, { order, limit }, sources, state);
  const byKind = Map.groupBy(page, (each) => each.kind);
  const described = await Promise.all(
    [...byKind].map(
      async ([of, texts]) =>
        [
          of,
          await describe(
            of,
            texts.map(({ id }) => id),
          ),
        ] as const,
    ),
  );
  const records = new Map(described);
  const results = page.flatMap(({ kind: of, id, at, excerpt }) => {
    const record = records.get(of)?.get(id);
    return record ? [{ ...record, id, at: at.toISOString(), excerpt: excerpt() }] : [];
  });
  const people = await nameUsers(on, [...new Set(results.flatMap(({ excerpt }) => mentionsIn(excerpt.text)))]);
  return {
    results: results.map((result) => ({ ...result, excerpt: nameInExcerpt(result.excerpt, people) })),
    next_cursor: next ? await cursors.give(list, [null, JSON.stringify(next)]) : null,
    searched_to: searchedTo && `${searchedTo[0].replace(' ', 'T')}Z`,
  };
}

async function readPage(
  on: Queryable,
  query: TextQuery,
  { order, limit }: { order: Order; limit: number },
  sources: TextSource[],
  { before, from, after }: State,
): Promise<{ page: FoundText[]; next: State | null; searchedTo: TextPlace | null }> {
  const isBest = order === 'best';
  const found = await findTexts(on, sources, query, {
    ...(before && { before }),
    ...(from && { from }),
    // What has come into a window since its first page is no reason to end before its last text, which may have been shown.
    textsMax: isBest ? (from ? 2 * windowMax : windowMax) : limit,
    timeMs: searchTimeMs,
  });
  const { texts } = found;
  const until = found.until && isBefore(theBeginning, found.until) ? found.until : null;
  if (!isBest) return { page: texts, next: until && { before: until }, searchedTo: until };
  const ordered = texts.sort((one, other) => other.score - one.score || (isBefore(one.place, other.place) ? 1 : -1));
  const behind = after ? ordered.filter((text) => isBehind(text, after)) : ordered;
  const page = behind.slice(0, limit);
  const last = page.at(-1);
  if (behind.length <= limit || !last) return { page, next: until && { before: until }, searchedTo: until };
  const newest = texts.reduce((one, other) => (isBefore(one.place, other.place) ? other : one));
  const window = { before: before ?? justAfter(newest.place), from: until ?? theBeginning };
  return { page, next: { ...window, after: [last.score, ...last.place] }, searchedTo: until };
}

const isBehind = ({ score, place }: FoundText, [lastScore, ...lastPlace]: [number, ...TextPlace]): boolean =>
  score < lastScore || (score === lastScore && isBefore(place, lastPlace));
