/**
 * Words the synthesised tokenizer is trained on, most frequent first. Enough for ordinary text to come
 * out at a few characters a token, as it does with a trained tokenizer; no more is claimed.
 */
export const words = `
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which you were her all she there would their we him been has when who will more no if out so said what up
its about into than them can only other new some could time these two may then do first any my now such
like our over man me even most made after also did many before must through back years where much your way
well down should because each just those people how too little state good very make world still own see
men work long get here between both life being under never day same another know while last might us great
old year off come since against go came right used take three token tokens model models request requests
work cost price prompt answer question energy memory token number numbers measure measured system systems
data value values result results use using example write read give find show tell explain describe list
name word words text line lines file files code function return const let if else for while import export
class new this null true false string number int float void public static def self print async await
language languages water house small large large number every part place case week company point group
problem fact hand high different small early important few same able open next without again think need
want keep begin help talk turn start might show hear play run move live believe hold bring happen must
provide sit stand lose pay meet include continue set learn change lead understand watch follow stop create
speak allow add spend grow offer remember love consider appear buy wait serve die send expect build stay
fall cut reach kill remain suggest raise pass sell require report decide pull
ing ed er est ly tion ment ness able ible al ous ive ize ful less ship
The In It He She We They This That There What When Where How Why You If As For And But A I Hello world
der die das und ist nicht ein eine zu den von mit sich auf dem im es war für werden auch aus nach wie bei
oder nur über einen so zum kann noch wenn Sie man wird sind haben mehr durch Arbeit Sprache Wort Frage
le la les et des un une est que pour dans qui sur pas plus par avec il elle ce sont de en au
el los las y en que es por con una del se no su para como más pero
и в не на что он с как это по но из у за от так же для
的 是 不 了 在 人 有 我 他 这 个 们 中 来 上 大 为 和 国 地 到 以 说 时 要 就 出 会 可 也 你 对 生 能
이 다 는 을 를 에 의 가 은 로 고 한 하 지 도 사 나 그 수 있 것 안녕하세요 모델 토큰 질문 대답
の に は を た が で て と し れ さ ある いる も する から な こと として
`
  .trim()
  .split(/\s+/);
