/** When a row's completion ends. */
export interface StopCondition {
  /** Tokens that end a row; empty where the length is forced and end-of-text is generated past. */
  endTokenIds: ReadonlySet<number>;
  completionTokens: number;
}
