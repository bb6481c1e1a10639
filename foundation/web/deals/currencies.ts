/** What a deal may be in: the currencies the browser knows, the common ones first. */
const common = ['EUR', 'USD', 'GBP', 'CHF'];

export const currencies = [...new Set([...common, ...Intl.supportedValuesOf('currency')])];
