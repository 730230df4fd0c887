"""What the Kafka client raises, as errors of ours, by one table."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from aiokafka import errors as kafka_errors

from govbus.errors import FencedError, GovbusError, TransportConfigError, TransportError

ANSWER_TIMEOUT_S = 30.0
"""How long one question to the broker may take; the client itself would ask for ever while a coordinator is away."""

_FENCED = (
    kafka_errors.ProducerFenced,
    kafka_errors.InvalidProducerEpoch,
    kafka_errors.TransactionCoordinatorFenced,
)
_REFUSED = (
    kafka_errors.AuthenticationFailedError,
    kafka_errors.AuthenticationMethodNotSupported,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.IncompatibleBrokerVersion,
    kafka_errors.InvalidConfigurationError,
    kafka_errors.InvalidReplicationFactorError,
    kafka_errors.InvalidTopicError,
    kafka_errors.InvalidTransactionTimeout,
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.PolicyViolationError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.RecordTooLargeError,
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailed,
)


@contextlib.contextmanager
def map_exceptions(doing: str) -> Iterator[None]:
    """Convert whatever the client raises inside the block.

    Everything that is not listed is expected to pass: a topic that is unknown may have been created a moment ago,
    and a producer out of sequence works again once it is replaced.

    Args:
        doing: what was tried, for the message, such as ``publish``.

    Raises:
        FencedError: if another producer took over.
        TransportConfigError: if the broker refuses for good.
        TransportError: for everything else.
    """
    try:
        yield
    except GovbusError:
        raise
    except (TimeoutError, kafka_errors.KafkaError, kafka_errors.IllegalOperation, OSError) as err:
        raise _converted(err, doing) from err


@contextlib.asynccontextmanager
async def bounded(doing: str, timeout_s: float = ANSWER_TIMEOUT_S) -> AsyncIterator[None]:
    """Convert as `map_exceptions` does, and give up after a time.

    Raises:
        TransportError: also when the time is over.
    """
    with map_exceptions(doing):
        async with asyncio.timeout(timeout_s):
            yield


def _converted(err: BaseException, doing: str) -> GovbusError:
    # The client wraps what it did not expect, such as a fencing in the middle of a delivery, in a bare KafkaError.
    for one in (err, err.__cause__):
        if isinstance(one, _FENCED):
            return FencedError(f"kafka: {doing}: another producer took over")
        if isinstance(one, _REFUSED):
            return TransportConfigError(
                f"kafka: {doing}: refused: {_name(one)}",
                remedy="check the topic's permissions and limits",
            )
    return TransportError(
        f"kafka: {doing}: {_name(err)}", remedy="check that the broker runs, with `govbus doctor`"
    )


def _name(err: BaseException) -> str:
    text = str(err).strip()
    return f"{type(err).__name__}: {text[:300]}" if text else type(err).__name__
