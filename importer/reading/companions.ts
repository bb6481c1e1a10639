import { type Companions, companionKey } from './persons.ts';
import { readPersons } from './reading.ts';
import type { Recognition } from './recognition.ts';
import { SourceRefused } from './refusal.ts';
import type { Source } from './source.ts';

const rowsMax = 3_000_000;

/**
 * Reads the lists that complete a list of people: companies by the id that people have in a column (Salesforce's Account.csv, Zendesk's
 * organizations), and the users who own records.
 *
 * @throws SourceRefused if they are more than fit in memory
 */
export async function readCompanions(lists: { source: Source; recognition: Recognition }[]): Promise<Companions> {
  const companions: Companions = { companies: new Map(), users: new Map() };
  for (const { source, recognition } of lists) {
    if (recognition.holds === 'people') continue;
    for await (const rows of readPersons(source, { recognition })) {
      for (const row of rows) {
        if (row.kind !== 'person' || row.person.externalId === null) continue;
        const { externalId, company, emails, name } = row.person;
        const key = companionKey(externalId);
        if (recognition.holds === 'companies')
          companions.companies.set(key, { name: company?.name ?? null, domain: company?.domain ?? null });
        else {
          const owner = emails[0]?.address ?? name;
          if (owner) companions.users.set(key, owner);
        }
      }
      if (companions.companies.size + companions.users.size > rowsMax)
        throw new SourceRefused(
          'too-large',
          `More than ${rowsMax} companies and users cannot be kept beside the people.`,
        );
    }
  }
  return companions;
}
