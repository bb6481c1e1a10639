import type { PlanFile } from './jobs.ts';
import type { Upload } from './uploads.ts';

/** A file of a plan with all that was chosen for it; its source is named after its format, otherwise after the file. Pure. */
export function planFileOf({
  id,
  name,
  recognition,
  settings,
}: Pick<Upload, 'id' | 'name' | 'recognition' | 'settings'>): PlanFile {
  const { answers = {}, mapping = [], phoneCountry } = settings;
  return {
    upload: id,
    source: settings.source ?? recognition?.format ?? sourceOf(name),
    mapping,
    dayOrder: answers.dayOrder ?? [],
    ...(answers.timezone && { timezone: answers.timezone }),
    ...(phoneCountry && { phoneCountry }),
  };
}

/** `Old CRM (2020).csv` → old-crm-2020. A part that only tells two downloads of one list apart is left out. Pure. */
export function sourceOf(name: string): string {
  const source = name
    .replace(/(\.[A-Za-z0-9]{1,5}){1,2}$/, '')
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
    .replace(/-+$/, '');
  return source || 'file';
}
