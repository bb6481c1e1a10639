export { type Excerpt, nameInExcerpt } from './excerpt.ts';
export {
  type FoundText,
  type FoundTexts,
  findTexts,
  isBefore,
  justAfter,
  type Stretch,
  searchTimeMs,
  type TextPlace,
  type TextSource,
} from './finding.ts';
export { queryCharactersMax, readTextQuery, type TextQuery } from './query.ts';
