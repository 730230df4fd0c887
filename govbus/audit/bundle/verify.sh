#!/bin/sh
# Checks an evidence bundle with nothing but openssl, sha256sum and a POSIX shell.
#
#   sh verify.sh                        with the keys that came in the bundle (trust/): says that the evidence fits together
#   sh verify.sh TRUST_FOLDER           with keys of your own, laid out like trust/: says that it is true
#   sh verify.sh TRUST_FOLDER BUNDLE    a copy of this script from elsewhere over the bundle: whoever made the bundle may
#                                       have changed the script in it, so this is how one checks it for others
#
# Exit code 0: everything that could be checked holds, and a signature of the agency, of the governing authority and of
# the log are among it. 1: something does not hold. 2: it could not be checked.
# Every step is a few lines below; docs/specs/bundle.md has the formats. Nothing is sent anywhere.
set -u
set -f                                                              # names are names, never patterns
export LC_ALL=C
unset CDPATH OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR
is_own_trust=0
trust=trust
if [ $# -gt 0 ]; then
  trust=$(cd -- "$1" && pwd) || exit 2                              # before the bundle is entered: it has no say in it
  is_own_trust=1
fi
cd -- "${2:-$(dirname -- "$0")}" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failures=0
skipped=
seal_proven=0
directory_proven=0
log_proven=0

# What a bundle holds is printed on one line and without control characters, so that it cannot look like a result.
say() { printf '%s\n' "$(printf '%s' "$*" | tr -c '\040-\176' '?')"; }
ok() { say "ok      $*"; }
failed() { say "FAILED  $*"; failures=$((failures + 1)); }
skip() { say "skipped $*"; skipped="$skipped, ${1%%:*}"; }

for tool in openssl sha256sum; do
  command -v "$tool" >/dev/null || { printf '%s is missing\n' "$tool" >&2; exit 2; }
done

# --- small tools -------------------------------------------------------------------------------------------------

sha256() { openssl dgst -sha256 -binary; }
line() { sed -n "s/^$1 //p" "$2"; }                                # value of a `name value` line
from_base64() { openssl base64 -d -A; }
# base64url without padding -> octets
from_base64url() {
  text=$(tr -d '\n' | tr '_-' '/+')
  while [ $((${#text} % 4)) -ne 0 ]; do text="$text="; done
  printf '%s' "$text" | from_base64
}
to_base64url() { openssl base64 -A | tr '/+' '_-' | tr -d '='; }
# Whether a text is a decimal number that the shell can count with: no sign, no leading zero, at most 18 digits
is_number() {
  case "$1" in '' | *[!0-9]* | 0?*) return 1 ;; esac
  [ "${#1}" -le 18 ]
}
# has_lines FILE NAME...: whether a text has exactly these lines, and nothing but printable ASCII in them
has_lines() {
  file=$1
  shift
  [ "$(cut -d ' ' -f 1 "$file" | tr '\n' ' ')" = "$* " ] && [ "$(tr -d '\n\040-\176' <"$file" | wc -c)" -eq 0 ]
}
leaf() { { printf '\000'; cat "$1"; } | sha256; }                   # RFC 9162: SHA-256(0x00 || entry)
node() { { printf '\001'; cat "$1" "$2"; } | sha256; }              # RFC 9162: SHA-256(0x01 || left || right)

# root_from LEAF INDEX SIZE PATH: the root that an inclusion path leads to (RFC 9162, section 2.1.3.2)
root_from() {
  is_number "$2" && is_number "$3" && [ "$2" -lt "$3" ] || return 1
  cp "$1" "$work/r"
  fn=$2
  sn=$(($3 - 1))
  hashes=$(($(wc -c <"$4") / 32))
  [ $((hashes * 32)) -eq "$(wc -c <"$4")" ] || return 1
  at=0
  while [ "$at" -lt "$hashes" ]; do
    [ "$sn" -ne 0 ] || return 1
    dd if="$4" of="$work/p" bs=32 skip="$at" count=1 2>/dev/null
    if [ $((fn % 2)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
      node "$work/p" "$work/r" >"$work/n"
      while [ $((fn % 2)) -eq 0 ] && [ "$fn" -ne 0 ]; do fn=$((fn / 2)); sn=$((sn / 2)); done
    else
      node "$work/r" "$work/p" >"$work/n"
    fi
    mv "$work/n" "$work/r"
    fn=$((fn / 2))
    sn=$((sn / 2))
    at=$((at + 1))
  done
  [ "$sn" -eq 0 ] || return 1
  cat "$work/r"
}

# holds KEY ALGORITHM SIGNATURE MESSAGE: whether a signature holds; 2 where this openssl cannot tell
holds() {
  key=$(openssl pkey -pubin -in "$1" -noout -text_pub 2>/dev/null)
  case "$key" in
    ED25519*) kind=Ed25519 ;;
    *prime256v1*) kind=ES256 ;;
    *Modulus*) kind=PS256 ;;
    ML-DSA-*) kind=${key%% *} ;;
    '') kind=unknown ;;
    *) kind=other ;;
  esac
  case "$2/$kind" in
    ML-DSA-44/unknown | ML-DSA-65/unknown) return 2 ;;
    Ed25519/Ed25519 | ML-DSA-44/ML-DSA-44 | ML-DSA-65/ML-DSA-65)
      openssl pkeyutl -verify -rawin -pubin -inkey "$1" -in "$4" -sigfile "$3" >/dev/null 2>&1 || return 1
      ;;
    ES256/ES256) openssl dgst -sha256 -verify "$1" -signature "$3" "$4" >/dev/null 2>&1 || return 1 ;;
    PS256/PS256)
      openssl dgst -sha256 -verify "$1" -signature "$3" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 \
        "$4" >/dev/null 2>&1 || return 1
      ;;
    *) return 1 ;;                                                  # another algorithm than the key is for
  esac
}

# names JWS_HEADER ALGORITHM TYPE THUMBPRINT: whether a signature's protected header says this, each once
names() {
  from_base64url <"$1" | tr -d ' \t\r\n' >"$work/header"
  grep -F '\' "$work/header" >/dev/null && return 1                 # names must not hide behind escapes
  tr ',{}' '\n\n\n' <"$work/header" | sed '/^$/d' >"$work/members"
  for member in "\"alg\":\"$2\"" "\"typ\":\"$3\"" "\"x5t#S256\":\"$4\"" '"b64":false' '"crit":["b64"]'; do
    [ "$(grep -c -F -x -e "$member" "$work/members")" -eq 1 ] || return 1
    [ "$(cut -d : -f 1 "$work/members" | grep -c -F -x -e "${member%%:*}")" -eq 1 ] || return 1
  done
}

# Every certificate of a PEM file as $work/one-1.pem and so on, written anew by openssl; their number in $count
split() {
  count=0
  reading=0
  while IFS= read -r text || [ -n "$text" ]; do
    case "$text" in *'-----BEGIN CERTIFICATE-----'*) reading=1; : >"$work/raw.pem" ;; esac
    [ "$reading" -eq 0 ] || printf '%s\n' "$text" >>"$work/raw.pem"
    case "$text" in
      *'-----END CERTIFICATE-----'*)
        reading=0
        count=$((count + 1))
        openssl x509 -in "$work/raw.pem" -out "$work/one-$count.pem" 2>/dev/null || return 1
        ;;
    esac
  done <"$1"
}
thumbprint_of() { openssl x509 -in "$1" -outform DER 2>/dev/null | sha256 | to_base64url; }
# A certificate as it stands in the directory's JSON, once line ends are taken out
json_pem() { printf -- '-----BEGIN CERTIFICATE-----%s-----END CERTIFICATE-----' \
  "$(openssl x509 -in "$1" -outform DER 2>/dev/null | openssl base64 -A)"; }
one_line() { sed -e 's/\\r//g' -e 's/\\n//g' "$1"; }
# verify_chain SECONDS ANCHOR CERTIFICATE: by this anchor and $work/chain.pem alone, whatever else the machine trusts
verify_chain() {
  set -- -no-CApath -no-CAstore -partial_chain -attime "$1" -CAfile "$2" "$3"
  [ ! -s "$work/chain.pem" ] || set -- -untrusted "$work/chain.pem" "$@"
  openssl verify "$@" >/dev/null 2>&1
}

# judge RESULT WHAT: says what `holds` found
judge() {
  case "$1" in
    0) ok "$2" ;;
    2) skip "$2: this openssl does not know the algorithm (ML-DSA needs 3.5 or newer)" ;;
    *) failed "$2" ;;
  esac
}

same() { cmp -s "$1" "$2"; }

# epoch YEAR MONTH DAY HOURS MINUTES SECONDS: seconds since 1970
epoch() {
  year=$1
  month=${2#0}
  [ "$month" -gt 2 ] || year=$((year - 1))
  era=$((year / 400))
  of_era=$((year - era * 400))
  of_year=$(((153 * ((month + 9) % 12) + 2) / 5 + ${3#0} - 1))
  days=$((era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468))
  printf '%d' $((days * 86400 + ${4#0} * 3600 + ${5#0} * 60 + ${6#0}))
}

# RFC 3339 text in UTC -> seconds since 1970
epoch_of() {
  epoch "$(printf %s "$1" | cut -c 1-4)" "$(printf %s "$1" | cut -c 6-7)" "$(printf %s "$1" | cut -c 9-10)" \
    "$(printf %s "$1" | cut -c 12-13)" "$(printf %s "$1" | cut -c 15-16)" "$(printf %s "$1" | cut -c 18-19)"
}

# What `openssl ts -reply -text` prints, such as `Nov 24 18:40:36 2026 GMT` -> seconds since 1970
epoch_of_stamp() {
  set -- $1
  names=JanFebMarAprMayJunJulAugSepOctNovDec
  before=${names%%"$1"*}
  clock=$3
  seconds=${clock##*:}
  minutes=${clock#*:}
  epoch "$4" $((${#before} / 3 + 1)) "$2" "${clock%%:*}" "${minutes%%:*}" "${seconds%%.*}"
}

# check_list LIST CERTIFICATE: what a revocation list by the issuer of a certificate says about it
check_list() {
  issuer=$(openssl x509 -in "$2" -noout -issuer -nameopt RFC2253 2>/dev/null)
  [ "$issuer" = "$(openssl crl -inform DER -in "$1" -noout -issuer -nameopt RFC2253 2>/dev/null)" ] || return 1
  openssl crl -inform DER -in "$1" -noout -no-CApath -no-CAstore -CAfile "$work/issuers.pem" 2>&1 |
    grep 'verify OK' >/dev/null || return 1
  until=$(openssl crl -inform DER -in "$1" -noout -nextupdate | cut -d = -f 2)
  if [ "$until" != NONE ] && [ "$(epoch_of_stamp "$until")" -lt "$seconds_sent" ]; then return 1; fi
  serial=$(openssl x509 -in "$2" -noout -serial | cut -d = -f 2)
  on=$(openssl crl -inform DER -in "$1" -noout -text |
    sed -n "/^ *Serial Number: $serial\$/{n;s/^ *Revocation Date: //p;}")
  if [ -n "$on" ] && [ "$(epoch_of_stamp "$on")" -le "$seconds_sent" ]; then
    failed "revocation $number: the certificate was revoked on $on"
  else
    ok "revocation $number: not revoked on $time, says ${1##*/}, in force until $until"
  fi
}

# --- 0. the bundle is as it was written ---------------------------------------------------------------------------

find . >"$work/found"
if [ -n "$(find . ! -type f ! -type d | head -n 1)" ] ||
  grep -v '^\.\(/[A-Za-z0-9_-][A-Za-z0-9._-]*\)*$' "$work/found" >/dev/null; then
  failed 'files: the folder holds links, or names that no bundle has; nothing else was looked at'
  say 'NOT VERIFIED'
  exit 1
fi
find . -type f ! -path ./SHA256SUMS | sed 's,^\./,,' | sort >"$work/files"
# shellcheck disable=SC2046  # names have no spaces, as was just seen
if [ -f SHA256SUMS ] && sha256sum $(cat "$work/files") | tr -d '\r' >"$work/sums" && same "$work/sums" SHA256SUMS; then
  ok 'files: every file is as listed in SHA256SUMS, and no other is there'
else
  failed 'files: a file is missing, changed or not listed, see: sha256sum -c SHA256SUMS'
fi

# --- 1. what was sent: value, headers, schema are the ones in the statement -----------------------------------------

statement=document/statement
time=$(line time "$statement")
origin=$(line origin "$statement")
agency=${origin%%/*}
case "$time" in
  [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9]Z) is_time=1 ;;
  *) is_time=0 ;;
esac
if has_lines "$statement" govbus/statement/v1 origin index topic headers schema length value time &&
  [ "$is_time" -eq 1 ] && is_number "$(line index "$statement")" && is_number "$(line length "$statement")" &&
  [ "$(line topic "$statement")" = "govbus.out.$agency" ]; then
  ok "statement: index $(line index "$statement") of $origin, sent $time"
else
  failed 'statement: does not follow its grammar; nothing else was looked at'
  say 'NOT VERIFIED'
  exit 1
fi
if [ -f document/value ]; then
  cat document/salt document/value | sha256 | to_base64url >"$work/value"
  line value "$statement" | tr -d '\n' >"$work/stated"
  if same "$work/value" "$work/stated" && [ "$(wc -c <document/value)" -eq "$(line length "$statement")" ]; then
    ok 'value: SHA-256(salt || value) and length are as stated'
  else
    failed 'value: not the one that was signed'
  fi
else
  skip 'value: it is not here, erased or left out; everything else does not depend on it'
fi
sha256 <document/headers | to_base64url >"$work/headers"
line headers "$statement" | tr -d '\n' >"$work/stated"
if same "$work/headers" "$work/stated"; then ok 'headers: as stated'; else failed 'headers: not the ones that were signed'; fi
if [ "$(sha256sum <document/schema.json | cut -c 1-64)" = "$(line schema "$statement")" ]; then
  ok 'schema: as stated'
else
  failed 'schema: not the one that was signed'
fi
document=$(sed -n 's/^ce_id://p' document/headers | from_base64url)
if [ "$(cat bundle.json)" = "{\"bus\":\"$(sed -n 's/.*"bus":"\([^"]*\)".*/\1/p' bundle.json)\",\"document\":\"$document\",\"format\":\"govbus/bundle/v1\"}" ]; then
  ok "document: $document, as the signed headers say"
else
  failed 'document: bundle.json names another document than the signed headers'
fi
leaf "$statement" >"$work/statement-hash"

# --- 2. who sent it: signatures, certificates, the agency that they are bound to ------------------------------------

if [ -f document/batch ]; then
  start=$(line start document/batch)
  end=$(line end document/batch)
  index=$(line index "$statement")
  if has_lines document/batch govbus/batch/v1 origin start end root &&
    is_number "$start" && is_number "$end" && [ "$start" -le "$index" ] &&
    line root document/batch | from_base64url >"$work/batch-root" &&
    [ "$(line origin document/batch)" = "$origin" ] &&
    root_from "$work/statement-hash" $((index - start)) $((end - start)) document/path >"$work/root" &&
    same "$work/root" "$work/batch-root"; then
    ok "batch: the statement is number $((index - start)) of the $((end - start)) under one signature"
  else
    failed 'batch: the path does not lead from the statement to the root that was signed'
  fi
fi
seconds_sent=$(epoch_of "$time")
seals=0
number=1
while [ -d "signatures/$number" ]; do
  folder=signatures/$number
  signed="$statement"
  over=statement
  [ "$(cat "$folder/over")" != batch ] || { signed=document/batch; over=batch; }
  algorithm=$(cat "$folder/algorithm")
  openssl x509 -in "$folder/certificate.pem" -out "$work/certificate.pem" 2>/dev/null || : >"$work/certificate.pem"
  openssl x509 -in "$folder/anchor.pem" -out "$work/anchor.pem" 2>/dev/null || : >"$work/anchor.pem"
  { tr -d '\n' <"$folder/protected"; printf '.'; cat "$signed"; } >"$work/input"
  openssl x509 -in "$work/certificate.pem" -noout -pubkey >"$work/key.pem" 2>/dev/null
  holds "$work/key.pem" "$algorithm" "$folder/signature" "$work/input"
  result=$?
  judge "$result" "signature $number: $algorithm over the $over under certificate.pem"
  # The header names the certificate by its SHA-256, never by its name, and what kind of thing it signs.
  if names "$folder/protected" "$algorithm" "govbus-$over" "$(thumbprint_of "$work/certificate.pem")"; then
    ok "certificate $number: the one that the signature names"
  else
    failed "certificate $number: not the one that the signature names, or its header is for something else"
  fi
  # The agency's entry in the directory holds this very certificate: as one to sign with, not as an issuer of one.
  one_line directory/agency.json | tr '{' '\n' | grep -F -e "\"pem\":\"$(json_pem "$work/certificate.pem")\"" \
    >"$work/bound"
  role=seal
  grep '"role":"officer"' "$work/bound" >/dev/null && role=officer
  revoked=$(sed -n 's/.*"revoked":"\([^"]*\)".*/\1/p' "$work/bound" | head -n 1)
  if [ ! -s "$work/bound" ] || [ ! -s "$work/certificate.pem" ]; then
    failed "agency $number: the directory does not bind the certificate to $agency"
  elif [ -n "$revoked" ] && [ "$seconds_sent" -ge "$(epoch_of "$revoked")" ]; then
    failed "agency $number: the certificate was revoked on $revoked"
  else
    ok "agency $number: the directory binds the certificate to $agency, as $role"
    # The agency itself must have signed the statement, or the batch where there is one.
    if [ "$role" = seal ] && { [ ! -f document/batch ] || [ "$over" = batch ]; }; then
      seals=$((seals + 1))
      [ "$result" -ne 0 ] || seal_proven=1
    fi
  fi
  # A chain to an anchor of the bus, valid at the time that is stated.
  split "$folder/chain.pem" || failed "chain $number: chain.pem holds something else than certificates"
  : >"$work/chain.pem"
  one=1
  while [ "$one" -le "$count" ]; do
    cat "$work/one-$one.pem" >>"$work/chain.pem"
    one=$((one + 1))
  done
  if verify_chain "$seconds_sent" "$work/anchor.pem" "$work/certificate.pem"; then
    ok "chain $number: leads to an anchor of the bus and was valid on $time"
  elif [ "$result" -eq 2 ]; then
    skip "chain $number: this openssl does not know the algorithm"
  else
    failed "chain $number: does not lead to the anchor, or was not valid on $time"
  fi
  if one_line directory/bus.json | grep -F -e "\"$(json_pem "$work/anchor.pem")\"" >/dev/null; then
    ok "anchor $number: one of the bus, as the directory says"
  else
    failed "anchor $number: the anchor is none of the bus"
  fi
  # Revocation lists of that time, by the anchor or by a certificate between. Revocation counts from its date.
  cat "$work/anchor.pem" >"$work/issuers.pem"
  one=1
  while [ "$one" -le "$count" ]; do
    if verify_chain "$seconds_sent" "$work/anchor.pem" "$work/one-$one.pem"; then
      cat "$work/one-$one.pem" >>"$work/issuers.pem"
    fi
    one=$((one + 1))
  done
  cp "$work/certificate.pem" "$work/one-0.pem"
  listed=0
  list=1
  while [ -f "revocations/$list.der" ]; do
    one=0
    while [ "$one" -le "$count" ]; do
      check_list "revocations/$list.der" "$work/one-$one.pem" && listed=1
      one=$((one + 1))
    done
    list=$((list + 1))
  done
  [ "$listed" -eq 1 ] || skip "revocation $number: no revocation list about its certificates is here"
  number=$((number + 1))
done
signatures=$((number - 1))
[ "$(find signatures -type d | wc -l)" -eq "$number" ] || failed 'signatures: not numbered from 1 on'
[ "$seals" -gt 0 ] || failed 'signatures: none by the agency itself'

# --- 3. the directory: signed by the governing authority, and it lists the agency's entry ---------------------------

{ tr -d '\n' <directory/protected; printf '.'; cat directory/manifest.json; } >"$work/input"
directory_result=1
find "$trust" -type f -name 'authority*.pem' | sort >"$work/authorities"
while IFS= read -r file; do
  split "$file"
  one=1
  while [ "$one" -le "$count" ]; do
    algorithm=$(cat directory/algorithm)
    if names directory/protected "$algorithm" govbus-directory "$(thumbprint_of "$work/one-$one.pem")"; then
      openssl x509 -in "$work/one-$one.pem" -noout -pubkey >"$work/key.pem" 2>/dev/null
      holds "$work/key.pem" "$algorithm" directory/signature "$work/input"
      directory_result=$?
    fi
    one=$((one + 1))
  done
done <"$work/authorities"
judge "$directory_result" 'directory: signed by the governing authority'
[ "$directory_result" -ne 0 ] || directory_proven=1
bus=$(sed -n 's/^{"bus":"\([a-z0-9.-]*\)",.*/\1/p' directory/manifest.json)
lists() { grep -F -e "\"$1/$2/$(sha256sum <"directory/$1.json" | cut -c 1-64)\"" directory/manifest.json >/dev/null; }
if [ -n "$bus" ] && lists agency "$agency" && lists bus "$bus" && grep -F -e "\"bus\":\"$bus\"," bundle.json >/dev/null; then
  ok "directory: that of $bus, lists the entries of $agency and of the bus"
else
  failed "directory: does not list the entry of $agency or of the bus"
fi

# --- 4. what the bus decided: the entry holds this statement, and stands in the log ---------------------------------

hex() { od -An -v -tx1 | tr -d ' \n'; }
# Reads the next Avro number of the entry into $value; to be run by eval in read_entry, whose arguments are its octets.
next_number='value=0; by=0; octet=128
while [ "$octet" -ge 128 ]; do
  [ "$at" -lt "$#" ] && [ "$by" -le 56 ] || return 1
  at=$((at + 1)); eval "octet=\${$at}"
  value=$((value | (octet & 127) << by)); by=$((by + 7))
done
value=$(((value >> 1) ^ -(value & 1)))'
# Takes the next octets of the entry, as many as $value, into $work/$name.
next_octets='eval "$next_number"
[ "$value" -ge 0 ] && [ $((at + value)) -le $# ] || return 1
tail -c +$((at + 1)) log/entry | head -c "$value" >"$work/$name"; at=$((at + value))'
next_union='eval "$next_number"
case "$value" in 0) rm -f "$work/$name" ;; 1) eval "$next_octets" ;; *) return 1 ;; esac'
# read_entry OCTET...: the entry field by field in their order (docs/specs/message-log.md), behind five octets of frame
read_entry() {
  [ "$1 $2 $3 $4 $5" = '0 0 0 0 1' ] || return 1
  at=5
  eval "$next_number"; decision=$value
  eval "$next_number"
  name=entry-topic; eval "$next_octets"
  eval "$next_number"; eval "$next_number"
  name=entry-document; eval "$next_union"
  name=entry-statement; eval "$next_union"
  eval "$next_number"
  [ "$value" -ge 0 ] && [ "$value" -le 100 ] || return 1
  entry_signatures=$value
  at_signature=0
  while [ "$at_signature" -lt "$entry_signatures" ]; do
    at_signature=$((at_signature + 1))
    name=entry-signature-$at_signature; eval "$next_octets"
  done
  [ "$entry_signatures" -eq 0 ] || { eval "$next_number"; [ "$value" -eq 0 ] || return 1; }
  name=entry-batch; eval "$next_union"
  name=entry-path; eval "$next_octets"
  eval "$next_number"
  case "$value" in 0) ;; 1) at=$((at + 32)) ;; *) return 1 ;; esac
  eval "$next_number"; entry_version=$value
}
decision=-1
# shellcheck disable=SC2046  # one argument an octet
if ! read_entry $(od -An -v -tu1 log/entry); then
  failed 'log entry: cannot be read'
elif ! same "$work/entry-statement" "$statement"; then
  failed 'log entry: is about another statement'
else
  [ "$(cat "$work/entry-document" 2>/dev/null)" = "$document" ] && [ "$(cat "$work/entry-topic")" = "govbus.out.$agency" ] ||
    failed 'log entry: names another document or outbox than the statement'
  [ "$(sed -n 's/.*,"version":\([0-9]*\)}$/\1/p' directory/manifest.json)" = "$entry_version" ] ||
    failed "log entry: rests on version $entry_version of the directory, which is not the one that is here"
  is_same=1
  [ "$entry_signatures" -eq "$signatures" ] || is_same=0
  one=1
  while [ "$one" -le "$signatures" ]; do
    same "$work/entry-signature-$one" "signatures/$one/jws" || is_same=0
    { tr -d '\n' <"signatures/$one/protected"; printf '..'; to_base64url <"signatures/$one/signature"; } >"$work/jws"
    case "$(cat "signatures/$one/algorithm")" in
      ES256) [ "$(cut -d . -f 1 "signatures/$one/jws")" = "$(cat "signatures/$one/protected")" ] || is_same=0 ;;
      *) same "$work/jws" "signatures/$one/jws" || is_same=0 ;;
    esac
    one=$((one + 1))
  done
  if [ -f document/batch ]; then
    same "$work/entry-batch" document/batch && same "$work/entry-path" document/path || is_same=0
  fi
  [ ! -f "$work/entry-batch" ] || [ -f document/batch ] || is_same=0
  if [ "$is_same" -eq 1 ]; then
    ok 'log entry: holds this statement and these signatures'
  else
    failed 'log entry: holds other signatures'
  fi
fi
case "$decision" in
  0) decided='accepted' ;;
  1) decided='refused' ;;
  2) decided='held in quarantine' ;;
  3) decided='a duplicate' ;;
  *) decided= ;;
esac
if [ -n "$decided" ]; then ok "log entry: the document was $decided"; else failed 'log entry: no decision about a document'; fi

# proof_root PROOF LEAF: checks a C2SP tlog-proof down to the root in its checkpoint; leaves the note in $work/note
proof_root() {
  sed -n '1,/^$/p' "$1" | sed '/^$/d' >"$work/proof"
  sed '1,/^$/d' "$1" >"$work/note"
  sed -n '1,/^$/p' "$work/note" | sed '/^$/d' >"$work/text"
  [ "$(sed -n 1p "$work/proof")" = 'c2sp.org/tlog-proof@v1' ] || return 1
  sed -e 1d -e '2{/^extra /d;}' "$work/proof" >"$work/rest"
  place=$(sed -n 1p "$work/rest")
  case "$place" in 'index '*) place=${place#index } ;; *) return 1 ;; esac
  sed 1d "$work/rest" >"$work/hashes"
  grep -v '^[A-Za-z0-9+/]\{43\}=$' "$work/hashes" >/dev/null && return 1
  sed -n 3p "$work/text" | grep '^[A-Za-z0-9+/]\{43\}=$' >/dev/null || return 1
  : >"$work/path"
  while IFS= read -r hash; do printf '%s' "$hash" | from_base64 >>"$work/path"; done <"$work/hashes"
  root_from "$2" "$place" "$(sed -n 2p "$work/text")" "$work/path" >"$work/root" || return 1
  sed -n 3p "$work/text" | tr -d '\n' | from_base64 >"$work/signed-root"
  same "$work/root" "$work/signed-root"
}

# Looks for a signature line by NAME whose key id is that of TYPE and KEY (raw octets); leaves it in $work/found.
find_line() {
  { printf '%s\n' "$1"; cat "$2" "$3"; } | sha256 | head -c 4 >"$work/id"
  rm -f "$work/found"
  sed '1,/^$/d' "$work/note" | while IFS= read -r signature; do
    case "$signature" in "$(printf '\342\200\224') $1 "*) ;; *) continue ;; esac
    printf '%s' "${signature##* }" | from_base64 >"$work/line"
    head -c 4 "$work/line" >"$work/line-id"
    if same "$work/id" "$work/line-id"; then tail -c +5 "$work/line" >"$work/found"; fi
  done
  [ -f "$work/found" ]
}

# Every Ed25519 key that the log had, from the first on: $work/log-key-0, 1, ... (raw) and .pem. Hand-over n says how
# far key n - 1 had signed each log when key n took over; both must have signed it (docs/specs/message-log.md).
printf '\001' >"$work/type"
openssl pkey -pubin -in "$trust/log-ed25519.pub.pem" -outform DER 2>/dev/null | tail -c 32 >"$work/log-key-0"
cp "$trust/log-ed25519.pub.pem" "$work/log-key-0.pem"
cp "$work/log-key-0" "$work/known-key"
raw_of() { rest=${1#*+}; printf '%s' "${rest#*+}" | from_base64 | tail -c +2; }
pem_of() {
  { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cat "$1"; } >"$work/key.der"
  openssl pkey -pubin -inform DER -in "$work/key.der" -out "$1.pem" 2>/dev/null || : >"$1.pem"
}
# field N WORD: the value of line N of the hand-over, which must begin with WORD
field() { sed -n "$1s/^$2 //p" "$work/handover"; }
handovers=0
is_known=1
while [ -f "$trust/log-keys-$((handovers + 1)).note" ]; do
  handovers=$((handovers + 1))
  cp "$trust/log-keys-$handovers.note" "$work/note"
  sed -n '1,/^$/p' "$work/note" | sed '/^$/d' >"$work/handover"
  cp "$work/handover" "$work/handover-$handovers"
  [ "$handovers" -ne 1 ] || is_known=0
  held=1
  if [ "$(sed -n 1p "$work/handover")" = "$bus/log/keys" ] && [ "$(sed -n 2p "$work/handover")" = "$handovers" ] &&
    [ "$(sed -n 4p "$work/handover")" = govbus/log-keys/v1 ]; then
    raw_of "$(field 6 old)" >"$work/old-key"
    raw_of "$(field 8 new)" >"$work/log-key-$handovers"
    [ "$handovers" -ne 1 ] || cp "$work/old-key" "$work/log-key-0"
    pem_of "$work/log-key-$((handovers - 1))"
    pem_of "$work/log-key-$handovers"
    if same "$work/old-key" "$work/log-key-$((handovers - 1))"; then
      held=0
      for one in $((handovers - 1)) "$handovers"; do
        result=1
        if find_line "$bus/log/keys" "$work/type" "$work/log-key-$one"; then
          holds "$work/log-key-$one.pem" Ed25519 "$work/found" "$work/handover"
          result=$?
        fi
        [ "$held" -eq 1 ] || [ "$result" -eq 0 ] || held=$result
        ! same "$work/known-key" "$work/log-key-$one" || is_known=1
      done
    fi
  fi
  judge "$held" "hand-over $handovers of the log's keys: signed by the Ed25519 key before and the one after"
done
[ "$is_known" -eq 1 ] || failed "hand-overs of the log's keys: about other keys than $trust/log-ed25519.pub.pem"
# size_at N: how far the log NAME had been signed at hand-over N; 0 where it is not named
size_at() {
  case "$name" in
    */heads) size=$(sed -n 's/^heads \([0-9]*\) .*/\1/p' "$work/handover-$1") ;;
    *) size=$(sed -n "s/^log ${name##*/} \([0-9]*\) .*/\1/p" "$work/handover-$1") ;;
  esac
  printf '%s' "${size:-0}"
}

# Checks the log's own Ed25519 signature under the note, by the key that the log had at that size.
log_signed() {
  name=$(sed -n 1p "$work/text")
  signed_size=$(sed -n 2p "$work/text")
  pair=$handovers
  while [ "$pair" -gt 0 ] && ! find_line "$name" "$work/type" "$work/log-key-$pair"; do pair=$((pair - 1)); done
  is_term=1
  [ "$pair" -eq "$handovers" ] || [ "$signed_size" -le "$(size_at $((pair + 1)))" ] || is_term=0
  [ "$pair" -eq 0 ] || [ "$signed_size" -ge "$(size_at "$pair")" ] || is_term=0
  if [ "$is_term" -eq 0 ]; then
    failed "$1: checkpoint of $name for $signed_size entries, at which its key was not the log's"
  elif find_line "$name" "$work/type" "$work/log-key-$pair"; then
    holds "$work/log-key-$pair.pem" Ed25519 "$work/found" "$work/text"
    result=$?
    judge "$result" "$1: checkpoint of $name signed by the log's Ed25519 key"
    [ "$result" -ne 0 ] || log_proven=1
  else
    failed "$1: checkpoint of $name without the log's Ed25519 signature"
  fi
}

leaf log/entry >"$work/leaf"
if proof_root log/entry.tlog-proof "$work/leaf"; then
  name=$(sed -n 1p "$work/text")
  ok "log: the entry is number $place of $(sed -n 2p "$work/text") in $name"
  if [ "${name%/*}" = "$bus/log" ] && is_number "${name##*/}"; then
    log_signed log
    cp "$work/text" "$work/partition-text"
  else
    failed "log: that is no partition of the log of $bus"
  fi
else
  failed 'log: the proof does not lead from the entry to the checkpoint'
fi

# --- 5. what others saw: the head of all logs, cosigned by witnesses, time stamped ----------------------------------

quorum=none
if [ -f "$trust/policy" ]; then
  tr '\t' ' ' <"$trust/policy" | sed 's/^ *//' >"$work/policy"
  quorum=$(sed -n 's/^quorum  *\([^ ]*\) *$/\1/p' "$work/policy")
fi
if [ -f log/head.tlog-proof ] && [ -f "$work/partition-text" ]; then
  leaf "$work/partition-text" >"$work/leaf"
  if proof_root log/head.tlog-proof "$work/leaf"; then
    name=$(sed -n 1p "$work/text")
    ok "heads: the checkpoint is number $place of $(sed -n 2p "$work/text") in $name"
    if [ "$name" = "$bus/log/heads" ]; then
      log_signed heads
      cp "$work/text" "$work/head-text"
    else
      failed "heads: that is not the log of checkpoints of $bus"
    fi
  else
    failed 'heads: the proof does not lead from the checkpoint to the head'
  fi
  if [ -f "$work/head-text" ] && [ -f "$trust/policy" ]; then
    sed -n 's/^witness  *//p' "$work/policy" >"$work/witnesses"
    witnessed=' '
    perhaps=' '
    while read -r label vkey _; do
      rest=${vkey#*+}
      name=${vkey%%+*}
      printf '%s' "${rest#*+}" | from_base64 >"$work/material"
      head -c 1 "$work/material" >"$work/type"
      tail -c +2 "$work/material" >"$work/raw"
      if ! find_line "$name" "$work/type" "$work/raw"; then
        say "note    witness $label: no cosignature under this head"
        continue
      fi
      head -c 8 "$work/found" >"$work/stamp"
      tail -c +9 "$work/found" >"$work/signature"
      seconds=$(printf '%d' "0x$(hex <"$work/stamp")")
      if [ "$(hex <"$work/type")" = 04 ]; then
        { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cat "$work/raw"; } >"$work/key.der"
        { printf 'cosignature/v1\ntime %s\n' "$seconds"; cat "$work/head-text"; } >"$work/input"
        algorithm=Ed25519
      else
        { printf '\060\202\005\062\060\013\006\011\140\206\110\001\145\003\004\003\021\003\202\005\041\000'
          cat "$work/raw"; } >"$work/key.der"
        head_name=$(sed -n 1p "$work/head-text")
        { printf 'subtree/v1\n\000'
          printf "\\$(printf '%03o' "${#name}")"; printf '%s' "$name"
          cat "$work/stamp"
          printf "\\$(printf '%03o' "${#head_name}")"; printf '%s' "$head_name"
          printf '\000\000\000\000\000\000\000\000'
          size=$(sed -n 2p "$work/head-text"); shift_by=56
          while [ "$shift_by" -ge 0 ]; do
            printf "\\$(printf '%03o' $(((size >> shift_by) & 255)))"; shift_by=$((shift_by - 8))
          done
          sed -n 3p "$work/head-text" | tr -d '\n' | from_base64; } >"$work/input"
        algorithm=ML-DSA-44
      fi
      openssl pkey -pubin -inform DER -in "$work/key.der" -out "$work/key.pem" 2>/dev/null || : >"$work/key.pem"
      holds "$work/key.pem" "$algorithm" "$work/signature" "$work/input"
      result=$?
      judge "$result" "witness $label: cosigned the head at $seconds s since 1970 ($algorithm)"
      [ "$result" -ne 0 ] || witnessed="$witnessed$label "
      [ "$result" -ne 2 ] || perhaps="$perhaps$label "
    done <"$work/witnesses"
    # Groups name only what stands before them, so one reading is enough.
    sed -n 's/^group  *//p' "$work/policy" >"$work/groups"
    while read -r label threshold members; do
      all=0 certain=0 possible=0
      for member in $members; do
        all=$((all + 1))
        case "$witnessed" in *" $member "*) certain=$((certain + 1)) ;; esac
        case "$witnessed$perhaps" in *" $member "*) possible=$((possible + 1)) ;; esac
      done
      case "$threshold" in any) threshold=1 ;; all) threshold=$all ;; esac
      [ "$certain" -lt "$threshold" ] || witnessed="$witnessed$label "
      [ "$possible" -lt "$threshold" ] || perhaps="$perhaps$label "
    done <"$work/groups"
    case "$quorum" in
      none) skip 'witnesses: the policy asks for none' ;;
      *)
        case "$witnessed" in
          *" $quorum "*) ok "witnesses: the quorum that the policy asks for is met ($quorum)" ;;
          *)
            case "$perhaps" in
              *" $quorum "*) skip "witnesses: whether the quorum ($quorum) is met, this openssl cannot tell" ;;
              *) failed "witnesses: the quorum that the policy asks for is not met ($quorum)" ;;
            esac
            ;;
        esac
        ;;
    esac
  elif [ -f "$work/head-text" ]; then
    skip 'witnesses: no policy is given, so which of them count is not known'
  fi
  find timestamps -type f -name '*.tsr' 2>/dev/null | sort >"$work/responses"
  find "$trust" -type f -name 'tsa*.pem' | sort >"$work/authorities"
  [ -s "$work/responses" ] || skip 'time stamps: none is here'
  [ ! -s "$work/responses" ] || [ -s "$work/authorities" ] ||
    skip 'time stamps: no certificate of a time-stamping authority is given'
  while IFS= read -r response; do
    [ -s "$work/authorities" ] && [ -f "$work/head-text" ] || break
    name=${response##*/}
    name=${name%.tsr}
    # Of the response only the token is signed; what stands around it has no say in the time.
    openssl ts -reply -in "$response" -token_out -out "$work/token" 2>/dev/null || : >"$work/token"
    when=$(openssl ts -reply -token_in -in "$work/token" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
    case "$when" in
      [A-Z][a-z][a-z]\ *:*:*\ [0-9][0-9][0-9][0-9]\ GMT) ;;
      *) failed "time stamp $name: not readable"; continue ;;
    esac
    stamped=1
    while IFS= read -r authority; do
      if openssl ts -verify -data "$work/head-text" -token_in -in "$work/token" -CAfile "$authority" \
        -attime "$(epoch_of_stamp "$when")" >/dev/null 2>&1; then
        stamped=0
        break
      fi
    done <"$work/authorities"
    if [ "$stamped" -eq 0 ]; then
      ok "time stamp $name: the head existed on $when"
    else
      failed "time stamp $name: not by an authority that is given, or not of this head"
    fi
  done <"$work/responses"
elif [ "$is_own_trust" -eq 1 ] && [ "$quorum" != none ]; then
  failed "heads: the policy asks for witnesses ($quorum), and the bundle has no head checkpoint"
else
  skip 'heads: the bundle has no head checkpoint; only the operator has signed the log'
fi

# --- the verdict ----------------------------------------------------------------------------------------------------

printf '\n'
skipped=${skipped#, }
if [ "$failures" -ne 0 ]; then
  say "NOT VERIFIED: $failures of the checks failed; not checked: ${skipped:-nothing}"
  exit 1
fi
if [ $((seal_proven + directory_proven + log_proven)) -ne 3 ]; then
  say 'NOT CHECKED: this openssl could not check a signature of the agency, of the governing authority, or of the log'
  exit 2
fi
if [ "$is_own_trust" -eq 0 ]; then
  say "it fits together (the document was $decided); not checked: ${skipped:-nothing}"
  say 'to prove it, name a folder with keys of your own, and use a copy of this script of your own'
else
  say "verified (document $document was $decided); not checked: ${skipped:-nothing}"
fi
