#!/bin/sh
# Checks an evidence bundle with nothing but openssl, sha256sum and a POSIX shell.
#
#   sh verify.sh                 with the keys that came in the bundle (trust/): says that the evidence fits together
#   sh verify.sh TRUST_FOLDER    with keys of your own, laid out like trust/: says that it is true
#
# Exit code 0: everything that could be checked holds, and a signature of the agency, of the governing authority and of
# the log are among it. 1: something does not hold. 2: it could not be checked.
# Every step is a few lines below; docs/specs/bundle.md has the formats. Nothing is sent anywhere.
set -u
export LC_ALL=C
cd "$(dirname "$0")" || exit 2
trust=${1:-trust}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failures=0
skipped=0
seal_proven=0
directory_proven=0
log_proven=0

ok() { printf 'ok      %s\n' "$*"; }
failed() { printf 'FAILED  %s\n' "$*"; failures=$((failures + 1)); }
skip() { printf 'skipped %s\n' "$*"; skipped=$((skipped + 1)); }

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
leaf() { { printf '\000'; cat "$1"; } | sha256; }                   # RFC 9162: SHA-256(0x00 || entry)
node() { { printf '\001'; cat "$1" "$2"; } | sha256; }              # RFC 9162: SHA-256(0x01 || left || right)

# root_from LEAF INDEX SIZE PATH: the root that an inclusion path leads to (RFC 9162, section 2.1.3.2)
root_from() {
  cp "$1" "$work/r"
  fn=$2
  sn=$(($3 - 1))
  hashes=$(($(wc -c <"$4") / 32))
  [ "$fn" -le "$sn" ] || return 1
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
  case "$2" in
    Ed25519) openssl pkeyutl -verify -rawin -pubin -inkey "$1" -in "$4" -sigfile "$3" >/dev/null 2>&1 ;;
    ES256) openssl dgst -sha256 -verify "$1" -signature "$3" "$4" >/dev/null 2>&1 ;;
    PS256)
      openssl dgst -sha256 -verify "$1" -signature "$3" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 \
        "$4" >/dev/null 2>&1
      ;;
    ML-DSA-*)
      openssl pkey -pubin -in "$1" -noout >/dev/null 2>&1 || return 2
      openssl pkeyutl -verify -rawin -pubin -inkey "$1" -in "$4" -sigfile "$3" >/dev/null 2>&1
      ;;
    *) return 2 ;;
  esac
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

# --- 0. the bundle is as it was written ---------------------------------------------------------------------------

if sha256sum -c SHA256SUMS >/dev/null 2>&1; then
  ok 'files: every file is as listed in SHA256SUMS'
else
  failed 'files: a file is missing or changed, see: sha256sum -c SHA256SUMS'
fi

# --- 1. what was sent: value, headers, schema are the ones in the statement -----------------------------------------

statement=document/statement
if [ -f document/value ]; then
  cat document/salt document/value | sha256 | to_base64url >"$work/value"
  line value "$statement" | tr -d '\n' >"$work/stated"
  if same "$work/value" "$work/stated" && [ "$(wc -c <document/value)" -eq "$(line length "$statement")" ]; then
    ok 'value: SHA-256(salt || value) and length are as stated'
  else
    failed 'value: not the one that was signed'
  fi
else
  skip 'value: it was erased; everything else still holds'
fi
sha256 <document/headers | to_base64url >"$work/headers"
line headers "$statement" | tr -d '\n' >"$work/stated"
if same "$work/headers" "$work/stated"; then ok 'headers: as stated'; else failed 'headers: not the ones that were signed'; fi
if [ "$(sha256sum <document/schema.json | cut -c 1-64)" = "$(line schema "$statement")" ]; then
  ok 'schema: as stated'
else
  failed 'schema: not the one that was signed'
fi
leaf "$statement" >"$work/statement-hash"

# --- 2. who sent it: signatures, certificates, the agency that they are bound to ------------------------------------

signed="$statement"
if [ -f document/batch ]; then
  start=$(line start document/batch)
  end=$(line end document/batch)
  index=$(line index "$statement")
  line root document/batch | from_base64url >"$work/batch-root"
  if [ "$(line origin document/batch)" = "$(line origin "$statement")" ] &&
    root_from "$work/statement-hash" $((index - start)) $((end - start)) document/path >"$work/root" &&
    same "$work/root" "$work/batch-root"; then
    ok "batch: the statement is number $((index - start)) of the $((end - start)) under one signature"
  else
    failed 'batch: the path does not lead from the statement to the root that was signed'
  fi
fi
time=$(line time "$statement")
origin=$(line origin "$statement")
agency=${origin%%/*}
seals=0
for folder in signatures/*/; do
  folder=${folder%/}
  signed="$statement"
  [ "$(cat "$folder/over")" = batch ] && signed=document/batch
  algorithm=$(cat "$folder/algorithm")
  { tr -d '\n' <"$folder/protected"; printf '.'; cat "$signed"; } >"$work/input"
  openssl x509 -in "$folder/certificate.pem" -noout -pubkey >"$work/key.pem" 2>/dev/null
  holds "$work/key.pem" "$algorithm" "$folder/signature" "$work/input"
  result=$?
  judge "$result" "signature ${folder##*/}: $algorithm over the $(cat "$folder/over") under certificate.pem"
  # The header names the certificate by its SHA-256, never by its name.
  thumbprint=$(openssl x509 -in "$folder/certificate.pem" -outform DER 2>/dev/null | sha256 | to_base64url)
  if from_base64url <"$folder/protected" | grep -F "\"x5t#S256\":\"$thumbprint\"" >/dev/null &&
    from_base64url <"$folder/protected" | grep -F "\"alg\":\"$algorithm\"" >/dev/null; then
    ok "certificate ${folder##*/}: the one that the signature names"
  else
    failed "certificate ${folder##*/}: not the one that the signature names"
  fi
  # The agency's entry in the directory holds this very certificate.
  body=$(grep -v -e '-----' "$folder/certificate.pem" | tr -d '\n')
  : >"$work/bound"
  [ -z "$body" ] || sed 's/\\n//g' directory/agency.json | tr '{' '\n' | grep -F "$body" >"$work/bound"
  role=seal
  grep '"role":"officer"' "$work/bound" >/dev/null && role=officer
  revoked=$(sed -n 's/.*"revoked":"\([^"]*\)".*/\1/p' "$work/bound")
  if [ ! -s "$work/bound" ]; then
    failed "agency ${folder##*/}: the directory does not bind the certificate to $agency"
  elif [ -n "$revoked" ] && [ "$(epoch_of "$time")" -ge "$(epoch_of "$revoked")" ]; then
    failed "agency ${folder##*/}: the certificate was revoked on $revoked"
  else
    ok "agency ${folder##*/}: the directory binds the certificate to $agency, as $role"
    # The agency itself must have signed the statement, or the batch where there is one.
    if [ "$role" = seal ] && { [ ! -f document/batch ] || [ "$signed" = document/batch ]; }; then
      seals=$((seals + 1))
      [ "$result" -ne 0 ] || seal_proven=1
    fi
  fi
  # A chain to an anchor of the bus, valid at the time that is stated.
  set -- -partial_chain -attime "$(epoch_of "$time")" -CAfile "$folder/anchor.pem"
  [ ! -s "$folder/chain.pem" ] || set -- "$@" -untrusted "$folder/chain.pem"
  if openssl verify "$@" "$folder/certificate.pem" >/dev/null 2>&1; then
    ok "chain ${folder##*/}: leads to an anchor of the bus and was valid on $time"
  else
    case "$algorithm" in
      ML-DSA-*) skip "chain ${folder##*/}: this openssl does not know the algorithm" ;;
      *) failed "chain ${folder##*/}: does not lead to the anchor, or was not valid on $time" ;;
    esac
  fi
  # Revocation lists of that time, by the anchor or by a certificate between. Revocation counts from its date.
  serial=$(openssl x509 -in "$folder/certificate.pem" -noout -serial | cut -d = -f 2)
  cat "$folder/chain.pem" "$folder/anchor.pem" >"$work/issuers.pem"
  for list in revocations/*.der; do
    [ -f "$list" ] || continue
    openssl crl -inform DER -in "$list" -noout >/dev/null 2>&1 || continue
    openssl crl -inform DER -in "$list" -noout -CAfile "$work/issuers.pem" 2>&1 | grep 'verify OK' >/dev/null || continue
    on=$(openssl crl -inform DER -in "$list" -noout -text | grep -A 1 "Serial Number: $serial\$" |
      sed -n 's/.*Revocation Date: //p')
    if [ -n "$on" ] && [ "$(epoch_of_stamp "$on")" -le "$(epoch_of "$time")" ]; then
      failed "revocation ${folder##*/}: the certificate was revoked on $on"
    else
      ok "revocation ${folder##*/}: not revoked on $time, says ${list##*/}"
    fi
  done
done
[ "$seals" -gt 0 ] || failed 'signatures: none by the agency itself'

# --- 3. the directory: signed by the governing authority, and it lists the agency's entry ---------------------------

{ tr -d '\n' <directory/protected; printf '.'; cat directory/manifest.json; } >"$work/input"
directory_result=1
for authority in "$trust"/authority*.pem; do
  [ -f "$authority" ] || continue
  openssl x509 -in "$authority" -noout -pubkey >"$work/key.pem" 2>/dev/null || continue
  holds "$work/key.pem" "$(cat directory/algorithm)" directory/signature "$work/input"
  directory_result=$?
  [ "$directory_result" -eq 1 ] || break
done
judge "$directory_result" 'directory: signed by the governing authority'
[ "$directory_result" -ne 0 ] || directory_proven=1
for entry in agency bus; do
  digest=$(sha256sum <"directory/$entry.json" | cut -c 1-64)
  if grep -F "\"$entry/" directory/manifest.json | grep -F "/$digest\"" >/dev/null; then
    ok "directory: lists the $entry's entry"
  else
    failed "directory: does not list the $entry's entry"
  fi
done
if grep -F "\"id\":\"$agency\"" directory/agency.json >/dev/null; then
  ok "directory: the entry is that of $agency"
else
  failed "directory: the entry is not that of $agency"
fi
for folder in signatures/*/; do
  body=$(grep -v -e '-----' "${folder}anchor.pem" | tr -d '\n')
  if sed 's/\\n//g' directory/bus.json | grep -F "$body" >/dev/null; then
    ok 'directory: the anchor is one of the bus'
  else
    failed 'directory: the anchor is none of the bus'
  fi
done

# --- 4. what the bus decided: the entry holds this statement, and stands in the log ---------------------------------

hex() { od -An -v -tx1 | tr -d ' \n'; }
case "$(hex <log/entry)" in
  *"$(hex <"$statement")"*) ok 'log entry: holds this statement' ;;
  *) failed 'log entry: is about another statement' ;;
esac
case "$(head -c 6 log/entry | tail -c 1 | hex)" in
  00) ok 'log entry: the document was accepted' ;;
  02) ok 'log entry: the document was refused' ;;
  04) ok 'log entry: the document was held in quarantine' ;;
  06) ok 'log entry: the document was a duplicate' ;;
  *) skip 'log entry: a decision that this script does not know' ;;
esac

# proof_root PROOF LEAF: checks a C2SP tlog-proof down to the root in its checkpoint; leaves the note in $work/note
proof_root() {
  sed -n '1,/^$/p' "$1" | sed '/^$/d' >"$work/proof"
  sed '1,/^$/d' "$1" >"$work/note"
  [ "$(sed -n 1p "$work/proof")" = 'c2sp.org/tlog-proof@v1' ] || return 1
  : >"$work/path"
  sed -e 1d -e '/^extra /d' -e '/^index /d' "$work/proof" | while IFS= read -r hash; do
    printf '%s' "$hash" | from_base64 >>"$work/path"
  done
  root_from "$2" "$(line index "$work/proof")" "$(sed -n 2p "$work/note")" "$work/path" >"$work/root" || return 1
  sed -n 3p "$work/note" | tr -d '\n' | from_base64 >"$work/signed-root"
  same "$work/root" "$work/signed-root" || return 1
  sed -n '1,/^$/p' "$work/note" | sed '/^$/d' >"$work/text"
}

# Looks for a signature line by NAME whose key id is that of TYPE and KEY (raw octets); leaves it in $work/found.
find_line() {
  { printf '%s\n' "$1"; cat "$2" "$3"; } | sha256 | head -c 4 >"$work/id"
  rm -f "$work/found"
  sed '1,/^$/d' "$work/note" | while IFS= read -r signature; do
    case "$signature" in *" $1 "*) ;; *) continue ;; esac
    printf '%s' "${signature##* }" | from_base64 >"$work/line"
    head -c 4 "$work/line" >"$work/line-id"
    if same "$work/id" "$work/line-id"; then tail -c +5 "$work/line" >"$work/found"; fi
  done
  [ -f "$work/found" ]
}

# Checks the log's own Ed25519 signature under the note.
log_signed() {
  name=$(sed -n 1p "$work/text")
  openssl pkey -pubin -in "$trust/log-ed25519.pub.pem" -outform DER 2>/dev/null | tail -c 32 >"$work/raw"
  printf '\001' >"$work/type"
  if find_line "$name" "$work/type" "$work/raw"; then
    holds "$trust/log-ed25519.pub.pem" Ed25519 "$work/found" "$work/text"
    result=$?
    judge "$result" "$1: checkpoint of $name signed by the log's Ed25519 key"
    [ "$result" -ne 0 ] || log_proven=1
  else
    failed "$1: checkpoint of $name without the log's Ed25519 signature"
  fi
}

leaf log/entry >"$work/leaf"
if proof_root log/entry.tlog-proof "$work/leaf"; then
  ok "log: the entry is number $(line index "$work/proof") of $(sed -n 2p "$work/text") in $(sed -n 1p "$work/text")"
  log_signed log
  cp "$work/text" "$work/partition-text"
else
  failed 'log: the proof does not lead from the entry to the checkpoint'
fi

# --- 5. what others saw: the head of all logs, cosigned by witnesses, time stamped ----------------------------------

if [ -f log/head.tlog-proof ] && [ -f "$work/partition-text" ]; then
  leaf "$work/partition-text" >"$work/leaf"
  if proof_root log/head.tlog-proof "$work/leaf"; then
    ok "heads: the checkpoint is number $(line index "$work/proof") of $(sed -n 2p "$work/text") in $(sed -n 1p "$work/text")"
    log_signed heads
    cp "$work/text" "$work/head-text"
  else
    failed 'heads: the proof does not lead from the checkpoint to the head'
  fi
  if [ -f "$work/head-text" ] && [ -f "$trust/policy" ]; then
    sed -n 's/^[[:space:]]*witness[[:space:]]\{1,\}//p' "$trust/policy" >"$work/witnesses"
    while read -r label vkey _; do
      rest=${vkey#*+}
      name=${vkey%%+*}
      printf '%s' "${rest#*+}" | from_base64 >"$work/material"
      head -c 1 "$work/material" >"$work/type"
      tail -c +2 "$work/material" >"$work/raw"
      if ! find_line "$name" "$work/type" "$work/raw"; then
        skip "witness $label: no cosignature under this head"
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
      judge $? "witness $label: cosigned the head at $seconds s since 1970 ($algorithm)"
    done <"$work/witnesses"
    printf 'note    the policy asks for: %s\n' "$(line quorum "$trust/policy")"
  fi
  for response in timestamps/*.tsr; do
    [ -f "$response" ] || continue
    name=${response##*/}
    name=${name%.tsr}
    stamped=1
    when=$(openssl ts -reply -in "$response" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
    [ -n "$when" ] || { failed "time stamp $name: not readable"; continue; }
    for authority in "$trust"/tsa*.pem; do
      [ -f "$authority" ] || continue
      if openssl ts -verify -data "$work/head-text" -in "$response" -CAfile "$authority" \
        -attime "$(epoch_of_stamp "$when")" >/dev/null 2>&1; then
        stamped=0
        break
      fi
    done
    if [ "$stamped" -eq 0 ]; then ok "time stamp $name: the head existed on $when"; else failed "time stamp $name"; fi
  done
else
  skip 'heads: the bundle has no head checkpoint; only the operator has signed the log'
fi

# --- the verdict ----------------------------------------------------------------------------------------------------

printf '\n'
if [ "$failures" -ne 0 ]; then
  printf 'NOT VERIFIED: %d of the checks failed, %d were skipped\n' "$failures" "$skipped"
  exit 1
fi
if [ $((seal_proven + directory_proven + log_proven)) -ne 3 ]; then
  printf 'NOT CHECKED: this openssl could not check a signature of the agency, of the governing authority, or of the log\n'
  exit 2
fi
if [ "$trust" = trust ]; then
  printf 'it fits together (%d checks were skipped); to prove it, name a folder with keys of your own\n' "$skipped"
else
  printf 'verified; %d checks were skipped\n' "$skipped"
fi
