import { sourceOf } from '@aether/importer';
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
