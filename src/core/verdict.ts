/**
 * Repetitions of a cell that a verdict on a difference needs; suites that ship have as many. Of five against
 * five, Mann–Whitney reaches p = 0.008 (2 of 252 orders), of three against three no less than 0.1.
 */
export const verdictRepetitions = 5;

/**
 * The smallest share worth naming: what is misbilled or differs by less is no finding, however surely it is
 * not 0. An exact metric is sure of any share.
 */
export const worthNaming = 0.01;
