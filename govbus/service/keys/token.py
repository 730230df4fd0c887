"""Private keys on PKCS#11 tokens: hardware security modules and smart cards.

The only module that knows ``pkcs11``; `govbus.service.keys.token_keys` makes private keys like any other out of it.

python-pkcs11 calls ``C_Initialize`` without locking arguments, by which a library may assume that one thread at a time
calls it (PKCS#11 v2.40 section 5.4), and SoftHSM does. So each library has one lock, one session for each token, and
one login. Whatever goes wrong drops the sessions; the next signature opens them again, so a token that was pulled out
works again once it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self, TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from govbus.errors import ConfigError, SignerUnavailableError
from govbus.service.keys.secrets import Secret
from govbus.signing.algorithms import RSA_BITS_MIN, Algorithm
from govbus.signing.key_uri import TokenKey

ED25519_PARAMETERS: Final = b"\x13\x0cedwards25519"
"""DER PrintableString (PKCS#11 v3.0 section 2.3.5); python-pkcs11 writes an OID that SoftHSM does not know."""
P256_PARAMETERS: Final = bytes.fromhex("06082a8648ce3d030107")
"""DER OBJECT IDENTIFIER of prime256v1."""
_ALGORITHMS: Final = {
    KeyType.EC_EDWARDS: Algorithm.ED25519,
    KeyType.EC: Algorithm.ES256,
    KeyType.RSA: Algorithm.PS256,
}
_PSS_PARAMETER: Final = (Mechanism.SHA256, pkcs11.MGF.SHA256, 32)
_PIN_ERRORS: Final = (
    pkcs11.exceptions.PinIncorrect,
    pkcs11.exceptions.PinInvalid,
    pkcs11.exceptions.PinLenRange,
    pkcs11.exceptions.PinExpired,
    pkcs11.exceptions.PinLocked,
    pkcs11.exceptions.UserPinNotInitialized,
)
"""Never tried again: a token locks itself after a few wrong PINs."""
_NOT_SUPPORTED: Final = (
    pkcs11.exceptions.MechanismInvalid,
    pkcs11.exceptions.MechanismParamInvalid,
    pkcs11.exceptions.FunctionNotSupported,
    pkcs11.exceptions.KeyTypeInconsistent,
)


_Result = TypeVar("_Result")


class _Identity(NamedTuple):
    """What tells one token of a library from another."""

    token: str
    serial: str
    manufacturer: str
    model: str


class TokenLibrary:
    """One PKCS#11 library, loaded once a process."""

    _loaded: Final[dict[str, TokenLibrary]] = {}
    _loading: Final = threading.Lock()

    def __init__(self, path: str) -> None:
        """Use `load` instead."""
        try:
            self._lib = pkcs11.lib(path)
        except (pkcs11.PKCS11Error, RuntimeError) as err:
            raise ConfigError(
                f"the PKCS#11 library {path} cannot be used: {_words(err)}",
                remedy="check module-path and the library's own settings",
            ) from err
        self.path = path
        self.lock = threading.RLock()
        self._sessions: dict[_Identity, Any] = {}
        self.generation = 0
        """Grows whenever sessions were dropped: what was found before is void."""

    @classmethod
    def load(cls, path: str) -> Self:
        """Return the library at a path.

        Raises:
            ConfigError: if it cannot be loaded.
        """
        with cls._loading:
            if path not in cls._loaded:
                cls._loaded[path] = cls(path)
            return cls._loaded[path]  # type: ignore[return-value]  # there is no subclass

    def session(self, reference: TokenKey, secret: Secret, *, is_writing: bool = False) -> Any:
        """Return the session of a token, logged in; the lock is held by the caller.

        Raises:
            ConfigError: if the PIN is wrong or missing.
            SignerUnavailableError: if there is no such token.
            PKCS11Error: if the token does not answer.
        """
        identity = _Identity(reference.token, reference.serial, reference.manufacturer, reference.model)
        if is_writing:
            self.session(reference, secret)  # logs in; sessions of a token share the login
            return self._token(identity).open(rw=True)
        if identity not in self._sessions:
            if not self._lib.initialized:
                self._lib.initialize()
            try:
                token = self._token(identity)
            except SignerUnavailableError:
                self.drop()  # some libraries list their tokens once, when they are started
                token = self._token(identity)
            self._sessions[identity] = _logged_in(token, secret)
        return self._sessions[identity]

    def drop(self) -> None:
        """Forget every session and start the library anew; the lock is held by the caller."""
        self._sessions.clear()
        self.generation += 1
        if self._lib.initialized:
            self._lib.finalize()
        self._lib.initialize()

    def _token(self, identity: _Identity) -> Any:
        found = []
        for slot in self._lib.get_slots(token_present=True):
            try:
                token = slot.get_token()
            except pkcs11.PKCS11Error:
                continue  # pulled out between the two calls, or not initialised
            own = _Identity(
                token.label, token.serial.decode("ascii", "replace"), token.manufacturer_id, token.model
            )
            if all(not asked or asked == has for asked, has in zip(identity, own, strict=True)):
                found.append(token)
        if not found:
            raise SignerUnavailableError(
                f"no token {_token_name(identity)} is present",
                remedy="put the token in; signing goes on by itself",
            )
        if len(found) > 1:
            raise ConfigError(
                f"{len(found)} tokens fit {_token_name(identity)}", remedy="name one by token or serial"
            )
        return found[0]


def _logged_in(token: Any, secret: Secret) -> Any:
    octets = secret()
    pin: Any = octets.decode("utf-8") if octets is not None else None
    if pin is None:
        if not token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH:
            raise ConfigError(
                f"token {token.label} asks for a PIN",
                remedy="say where it is: pin-source=file:/path or pin-source=env:VARIABLE",
            )
        pin = pkcs11.PROTECTED_AUTH
    try:
        return token.open(user_pin=pin)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        return token.open()
    except _PIN_ERRORS as err:
        raise ConfigError(
            f"token {token.label} refuses the PIN: {_words(err)}",
            remedy="mend it before you try again: a token locks itself after a few wrong ones",
        ) from err


def _token_name(identity: _Identity) -> str:
    return " ".join(text for text in identity if text) or "at all"


def _words(err: Exception) -> str:
    """Return an error of the library as words: its class is what it says."""
    return str(err) or type(err).__name__


class TokenHandle:
    """One private key of one token, found anew whenever its session was lost."""

    def __init__(self, reference: TokenKey, secret: Secret) -> None:
        self.reference = reference
        self._secret = secret
        self._library = TokenLibrary.load(reference.module_path)
        self._generation = -1
        self._key: Any = None
        self.algorithm, self._public = self._opened()

    def sign_ed25519(self, message: bytes) -> bytes:
        """Return the signature over a message (RFC 8032); errors as for `sign_pss`."""
        return self._sign(message, Mechanism.EDDSA)

    def sign_p256(self, digest: bytes) -> bytes:
        """Return r and s over a digest, which every token can, each 32 octets; errors as for `sign_pss`."""
        return self._sign(digest, Mechanism.ECDSA)

    def sign_pkcs1(self, message: bytes) -> bytes:
        """Return the PKCS#1 v1.5 signature with SHA-256 over a message; errors as for `sign_pss`."""
        return self._sign(message, Mechanism.SHA256_RSA_PKCS)

    def sign_pss(self, message: bytes) -> bytes:
        """Return the PSS signature with SHA-256 over a message.

        Raises:
            SignerUnavailableError: if the token is away.
            ConfigError: if it cannot do this, or no longer takes the PIN.
        """
        return self._sign(message, Mechanism.SHA256_RSA_PKCS_PSS, _PSS_PARAMETER)

    def _sign(self, message: bytes, mechanism: Mechanism, parameter: Any = None) -> bytes:
        return self._again(
            lambda key: bytes(key.sign(message, mechanism=mechanism, mechanism_param=parameter))
        )

    def public_key(self) -> Any:
        """Return the public key that lies beside the private one.

        Raises:
            ConfigError: if the token has none.
        """
        if self._public is None:
            raise ConfigError(
                f"token {self.reference.token} has no public key beside {self._name()}",
                remedy="write it to the token with its vendor's tool, under the same id",
            )
        return self._public

    def _again(self, use: Callable[[Any], _Result]) -> _Result:
        """Use the key; where that fails open everything anew and try once more."""
        with self._library.lock:
            try:
                return use(self._found())
            except _NOT_SUPPORTED as err:
                raise self._unfit(err) from err
            except (pkcs11.PKCS11Error, SignerUnavailableError):
                self._key = None
            try:
                self._library.drop()
                return use(self._found())
            except pkcs11.PKCS11Error as err:
                raise SignerUnavailableError(
                    f"the token with {self._name()} does not answer: {_words(err)}",
                    remedy="put the token in; signing goes on by itself",
                ) from err

    def _found(self) -> Any:
        if self._generation != self._library.generation or self._key is None:
            session = self._library.session(self.reference, self._secret)
            self._key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, **_template(self.reference))
            self._generation = self._library.generation
        return self._key

    def _opened(self) -> tuple[Algorithm, Any]:
        try:
            return self._again(self._looked_at)
        except SignerUnavailableError as err:
            # What may pass in a key that worked before is a mistake in a reference that never did.
            if isinstance(err.__cause__, pkcs11.NoSuchKey):
                raise ConfigError(f"token {self.reference.token} has no private {self._name()}") from err
            if isinstance(err.__cause__, pkcs11.MultipleObjectsReturned):
                raise ConfigError(
                    f"token {self.reference.token} has several private keys that fit {self._name()}",
                    remedy="name one by id",
                ) from err
            raise

    def _looked_at(self, key: Any) -> tuple[Algorithm, Any]:
        algorithm = _ALGORITHMS.get(key.key_type)
        if algorithm is None:
            raise ConfigError(f"{self._name()} is of type {key.key_type}, which is not a pinned algorithm")
        return algorithm, _public_key(self._library.session(self.reference, self._secret), key)

    def _unfit(self, err: Exception) -> ConfigError:
        return ConfigError(
            f"the token with {self._name()} cannot sign with {self.algorithm}: {_words(err)}",
            remedy="use a key of another algorithm; ML-DSA keys lie in files until tokens know them",
        )

    def _name(self) -> str:
        return f"key {self.reference.label or self.reference.id.hex() or 'of any name'}"


def _template(reference: TokenKey) -> dict[str, Any]:
    template: dict[str, Any] = {}
    if reference.label:
        template["label"] = reference.label
    if reference.id:
        template["id"] = reference.id
    return template


def _public_key(session: Any, private: Any) -> Any:
    """Return the public key beside a private one, None where the token has none."""
    try:
        public = session.get_key(
            object_class=ObjectClass.PUBLIC_KEY, key_type=private.key_type, id=private.id
        )
    except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned):
        return None
    return public_key_of(public)


def public_key_of(public: Any) -> Any:
    """Return a token's public key object as one of ``cryptography``'s.

    Raises:
        ConfigError: if it is not of a pinned algorithm.
    """
    if public.key_type is KeyType.RSA:
        exponent, modulus = (
            int.from_bytes(public[name], "big") for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)
        )
        key: Any = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if key.key_size < RSA_BITS_MIN:
            raise ConfigError(f"an RSA key of {key.key_size} bits, expected {RSA_BITS_MIN} or more")
        return key
    point = _octets_of(public[Attribute.EC_POINT])
    parameters = public[Attribute.EC_PARAMS]
    if public.key_type is KeyType.EC_EDWARDS and len(point) == 32:  # noqa: PLR2004  # RFC 8032
        return ed25519.Ed25519PublicKey.from_public_bytes(point)
    if parameters == P256_PARAMETERS:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    raise ConfigError("the token's key is on a curve that is not pinned; expected edwards25519 or P-256")


def _octets_of(point: bytes) -> bytes:
    """Return a point without the OCTET STRING that most tokens put around it, and some do not."""
    if len(point) > 2 and point[0] == 0x04 and point[1] == len(point) - 2:  # noqa: PLR2004  # tag and length
        return point[2:]
    return point


def generate_token_key(reference: TokenKey, algorithm: Algorithm, secret: Secret) -> None:
    """Make a key pair on a token under the reference's label and id; it never leaves the token.

    Raises:
        ConfigError: if one is there already, the algorithm is not for tokens, or the token refuses.
        SignerUnavailableError: if the token is away.
    """
    if not reference.label or not reference.id:
        raise ConfigError("a new key on a token needs a name", remedy="give object=… and id=%01 in the URI")
    library = TokenLibrary.load(reference.module_path)
    with library.lock:
        try:
            session = library.session(reference, secret, is_writing=True)
            try:
                _require_free(session, reference)
                _generate(session, algorithm, {"label": reference.label, "id": reference.id, "store": True})
            finally:
                session.close()
        except pkcs11.PKCS11Error as err:
            raise ConfigError(f"the token makes no {algorithm} key: {_words(err)}") from err


def _require_free(session: Any, reference: TokenKey) -> None:
    for template in ({Attribute.LABEL: reference.label}, {Attribute.ID: reference.id}):
        if next(iter(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **template})), None):
            raise ConfigError(
                f"token {reference.token} has a key of this label or id",
                remedy="keys are never overwritten; give another object= and id=",
            )


def _generate(session: Any, algorithm: Algorithm, options: dict[str, Any]) -> None:
    match algorithm:
        case Algorithm.PS256:
            session.generate_keypair(KeyType.RSA, RSA_BITS_MIN, **options)
        case Algorithm.ED25519:
            session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519_PARAMETERS}, local=True
            ).generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, **options)
        case Algorithm.ES256:
            session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: P256_PARAMETERS}, local=True
            ).generate_keypair(**options)
        case _:
            raise ConfigError(
                f"no {algorithm} key is made on a token yet", remedy="make it in a file: --key file:PATH"
            )
