import type { Field } from './comparison.ts';

/**
 * How much each likeness weighs where a list is too small to say it: those of a generated list of 10,000 persons, rounded, and more careful
 * where that list is special: colleagues share a domain, and companies are small. By the levels unknown, different, alike, weak, slip, form
 * and equal. `u` is the share of two persons who are equal in it by chance.
 */
export const standardWeights: { of: Record<Field, readonly number[]>; u: Record<Field, readonly number[]> } = {
  of: {
    given: [0, -2.7, 0, 2.4, 4, 4.7, 6.5],
    family: [0, -2.8, 0, 0.9, 5.2, 6, 6.6],
    address: [0, -0.8, 0, 4, 12, 13, 13],
    phone: [0, -1.9, 0, 0, 0, 0, 10],
    city: [0, -1.5, 0, 0, 2, 0, 4],
    birth: [0, -5, -5, -3, 4, 0, 10],
    company: [0, -1, 0, 0, 2, 0, 4],
  },
  u: {
    given: [0, 0.97, 0.007, 0.008, 0.005, 0.001, 0.0075],
    family: [0, 0.98, 0.006, 0.004, 0.004, 0.001, 0.0075],
    address: [0, 0.9998, 0, 0, 0, 0, 0.0002],
    phone: [0, 0.9996, 0, 0, 0, 0, 0.0004],
    city: [0, 0.95, 0, 0, 0.01, 0, 0.04],
    birth: [0, 0.99, 0, 0.005, 0.005, 0, 0.0001],
    company: [0, 0.98, 0, 0, 0.01, 0, 0.01],
  },
};
