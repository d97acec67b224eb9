/** A command as a shell completes it. */
export interface CompletedCommand {
  /** Its words behind the program's name; none of the program itself. */
  path: readonly string[];
  description: string;
  options: readonly CompletedOption[];
  /** What can stand in place of an argument: commands below it, and values that are known. */
  words: readonly string[];
}

export interface CompletedOption {
  names: readonly string[];
  takesValue: boolean;
  /** Values that are known; where there are none a file's name is completed. */
  values: readonly string[];
  description: string;
}

/** Scripts that complete the commands of `tokenwork`, by shell. Where nothing of what is known fits, files do. */
export const completionScripts = { bash, zsh, fish } satisfies Record<
  string,
  (commands: readonly CompletedCommand[]) => string
>;

/** Names hold letters, digits, dots and hyphens; the quotes are for what else may come. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const place = (words: readonly string[]) => quoted(['', ...words].join(' '));

/** The cases of a script in the shells that share `case`: commands that have been typed, values, and all else. */
function cases(commands: readonly CompletedCommand[], offer: (words: readonly string[]) => string) {
  const typed = commands.filter(({ path }) => path.length > 0).map(({ path }) => place(path));
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(
        (option) =>
          `    ${option.names.map((name) => place([...path, name])).join('|')}) ${offer(option.values)} return ;;`,
      ),
  );
  const rest = commands.map(({ path, options, words }) => {
    const names = options.flatMap((option) => option.names);
    return `    ${place(path)}) options=${quoted(names.join(' '))} words=${quoted(words.join(' '))} ;;`;
  });
  return { typed: typed.join('|'), values: values.join('\n'), rest: rest.join('\n') };
}

function bash(commands: readonly CompletedCommand[]): string {
  const reply = (list: string) => `COMPREPLY=($(compgen -W ${list} -- "$word"));`;
  const { typed, values, rest } = cases(commands, (words) => reply(quoted(words.join(' '))));
  return `# Completes tokenwork in bash: source <(tokenwork completion bash)
_tokenwork() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} at= options= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${typed}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $before" in
${values}
  esac
  case "$at" in
${rest}
  esac
  if [[ $word == -* ]]; then words=$options; fi
  ${reply('"$words"')}
}
complete -o default -F _tokenwork tokenwork
`;
}

function zsh(commands: readonly CompletedCommand[]): string {
  const { typed, values, rest } = cases(
    commands,
    (list) => `${list.length > 0 ? `compadd -- ${list.map(quoted).join(' ')}; ` : ''}_files;`,
  );
  return `#compdef tokenwork
# Completes tokenwork in zsh, after compinit: source <(tokenwork completion zsh)
_tokenwork() {
  local at= options= words_= i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at \${words[i]}" in
      ${typed}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${values}
  esac
  case "$at" in
${rest.replaceAll(' words=', ' words_=')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    compadd -- \${=options}
  else
    [[ -n $words_ ]] && compadd -- \${=words_}
    _files
  fi
}
compdef _tokenwork tokenwork
`;
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, description, options, words }) => {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    const when = quoted(seen === '' ? '__fish_use_subcommand' : seen);
    const of = commands.filter((command) => command.path.length === path.length + 1);
    return [
      ...words.map((word) => {
        const command = of.find((one) => one.path.join(' ') === [...path, word].join(' '));
        return `complete -c tokenwork -n ${when} -a ${quoted(word)} -d ${fishText(command?.description ?? description)}`;
      }),
      ...options.map((option) => {
        const names = option.names.map((name) =>
          name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
        );
        const value = option.takesValue ? ` -r -F -a ${quoted(option.values.join(' '))}` : '';
        return `complete -c tokenwork -n ${when} ${names.join(' ')}${value} -d ${fishText(option.description)}`;
      }),
    ];
  });
  return `# Completes tokenwork in fish\n${lines.join('\n')}\n`;
}

/** Quoted as fish reads it, where a quote is escaped by a backslash. */
const fishText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
