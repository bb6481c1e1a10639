/*
 * Names of operations in the OpenAPI document, from which generators make the names of functions. They follow from method and address, so
 * that every route has one that never changes while its address stays. A route may name itself by `operationId`.
 */

/**
 * `GET /api/customers/{id}` → getCustomer, `GET /api/customers` → listCustomers, `POST /api/companies/{id}/contacts` → createCompanyContact,
 * `POST /api/deals/{id}/close` → closeDeal.
 */
export function nameOperation(method: string, path: string): string {
  const steps = stepsOf(path);
  const isOne = isParameter(steps.at(-1) ?? '');
  const [noun = '', ...above] = steps.filter((step) => !isParameter(step)).reverse();
  const before = above.reverse().map(singular);
  switch (method) {
    case 'get':
      return camel(!isOne && isPlural(noun) ? 'list' : 'get', ...before, isOne ? singular(noun) : noun);
    case 'post':
      return isOne || isPlural(noun) ? camel('create', ...before, singular(noun)) : camel(noun, ...before);
    default:
      return camel(verbs[method] ?? method, ...before, isOne ? singular(noun) : noun);
  }
}

const verbs: Record<string, string> = { put: 'set', patch: 'update' };

/** `/api/custom-fields/{id}` → Custom fields. */
export function tagOperation(path: string): string {
  const [first = ''] = stepsOf(path);
  const words = first.replace(/\.\w+$/, '').replaceAll('-', ' ');
  return houseTags[words] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

const houseTags: Record<string, string> = { healthz: 'Probes', readyz: 'Probes', signin: 'Sign-in' };

const stepsOf = (path: string): string[] => path.split('/').filter((step) => step !== '' && step !== 'api');
const isParameter = (step: string): boolean => step.startsWith('{');
const isPlural = (noun: string): boolean => /[^s]s$/.test(noun);

function singular(noun: string): string {
  if (/ies$/.test(noun)) return noun.replace(/ies$/, 'y');
  return /(ss|sh|ch|x)es$/.test(noun) ? noun.replace(/es$/, '') : isPlural(noun) ? noun.slice(0, -1) : noun;
}

/** Words with dashes, underlines and dots in them become one in camel case. */
function camel(...words: string[]): string {
  const parts = words.flatMap((word) => word.split(/[-_.]/)).filter((part) => part !== '');
  return parts.map((part, at) => (at === 0 ? part : part.charAt(0).toUpperCase() + part.slice(1))).join('');
}
