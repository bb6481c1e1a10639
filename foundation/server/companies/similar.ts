import { collectValues, type Queryable, readCompanyDomain, wordsOf } from '@aether/platform';
import { matchCompany } from '../customers/customermatch.ts';
import { proposeCompany } from './domains.ts';

/*
 * The companies that may be the one which is being written down: one that has its domain, or a domain above it, and those with all words of its
 * name but for what says the legal form. They are hints: a company is made all the same.
 */

export type SimilarCompany = { id: string; name: string; domain: string | null; reasons: ('domain' | 'name')[] };

const shownMax = 3;
/** A name of fewer characters is in too many names. */
const charactersMin = 3;
/** Of a word that very many names have, so many are compared. */
const comparedMax = 2_000;

const legalForms = new Set(
  `ab ag aktiengesellschaft aps as asa bv bvba co company corp corporation eg ek ev gbr gesellschaft gmbh group gruppe holding inc incorporated
kg kgaa limited llc llp lp ltd mbh nv ohg oy oyj plc pty sa sàrl sarl sas se sl spa srl sro ug und and the`.split(
    /\s+/,
  ),
);

/** The words of a name without its legal form: `The Fjordlight-Energy GmbH & Co. KG` → fjordlight, energy. A name of forms alone keeps them. Pure. */
export function coreWords(name: string): string[] {
  // "S. A." and "S.A." are "SA".
  const joined = name.replace(
    /(?<![\p{L}\p{N}])((?:\p{L}\.\s?){2,})/gu,
    (dotted) => `${dotted.replace(/[.\s]/g, '')} `,
  );
  const words = wordsOf(joined.replace(/[^\p{L}\p{M}\p{N}'’]+/gu, ' '));
  const core = words.filter((word) => !legalForms.has(word.toLowerCase()));
  return core.length > 0 ? core : words;
}

/** At most three, first the one with the domain, then the shortest names. What is missing or incomplete says nothing. */
export async function findSimilarCompanies(
  on: Queryable,
  { name = '', domain = '' }: { name?: string | undefined; domain?: string | undefined },
): Promise<SimilarCompany[]> {
  const host = readCompanyDomain(domain);
  const [byDomain, byName] = await Promise.all([host ? proposeCompany(on, `at@${host}`) : null, findByName(on, name)]);
  const found: SimilarCompany[] = byName.map((each) => ({
    ...each,
    reasons: each.id === byDomain?.id ? ['domain', 'name'] : ['name'],
  }));
  if (!byDomain) return found;
  const first = found.find(({ id }) => id === byDomain.id) ?? { ...byDomain, reasons: ['domain' as const] };
  return [first, ...found.filter((each) => each !== first)].slice(0, shownMax);
}

async function findByName(on: Queryable, name: string): Promise<Omit<SimilarCompany, 'reasons'>[]> {
  const words = coreWords(name);
  if (words.join('').length < charactersMin) return [];
  const { values, parameter } = collectValues();
  const matching = words.map((word) => matchCompany(word, parameter)).join(' and ');
  return on.query(
    `select c.id, c.name, c.domain from (
       select o.id, o.name, o.domain from platform.companies o where ${matching} limit ${comparedMax}) c
     order by char_length(c.name), c.name, c.id limit ${shownMax}`,
    values,
  );
}
