"""The order messages as data: which field stands where at server version 178.

An order travels as a flat row of fields whose meaning is its place. The rows below name each
place once; ``orders_in.py`` reads by them and ``orders_out.py`` writes by them. A name is
the same in all three, so a field a client sent can be shown again wherever it belongs.
"""

from __future__ import annotations

from rebalancer.sim.protocol.wire import UNSET_DOUBLE, UNSET_INTEGER


def _names(row: str) -> tuple[str, ...]:
    return tuple(row.split())


_CONTRACT = "conId symbol secType expiry strike right multiplier"

#: placeOrder (3), up to the conditions; what follows them is not simulated. After some names
#: further fields follow if the field is set (``orders_in.FOLLOWED``).
PLACE_ORDER = _names(
    f"""orderId {_CONTRACT} exchange primaryExchange currency localSymbol tradingClass
    secIdType secId action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account
    openClose origin orderRef transmit parentId blockOrder sweepToFill displaySize
    triggerMethod outsideRth hidden sharesAllocation discretionaryAmt goodAfterTime
    goodTillDate faGroup faMethod faPercentage modelCode shortSaleSlot designatedLocation
    exemptCode ocaType rule80A settlingFirm allOrNone minQty percentOffset eTradeOnly
    firmQuoteOnly nbboPriceCap auctionStrategy startingPrice stockRefPrice delta
    stockRangeLower stockRangeUpper overridePercentageConstraints volatility volatilityType
    deltaNeutralOrderType deltaNeutralAuxPrice continuousUpdate referencePriceType
    trailStopPrice trailingPercent scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement
    scaleTable activeStartTime activeStopTime hedgeType optOutSmartRouting clearingAccount
    clearingIntent notHeld deltaNeutral algoStrategy algoId whatIf orderMiscOptions solicited
    randomizeSize randomizePrice nConditions"""
)

#: openOrder (5). The server fills ``deltaNeutralOrderType`` with the word None, which is not
#: empty, and so always sends the eight delta-neutral fields after it.
OPEN_ORDER = _names(
    f"""orderId {_CONTRACT} exchange currency localSymbol tradingClass action totalQuantity
    orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef clientId permId
    outsideRth hidden discretionaryAmt goodAfterTime sharesAllocation faGroup faMethod
    faPercentage modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot
    designatedLocation exemptCode auctionStrategy startingPrice stockRefPrice delta
    stockRangeLower stockRangeUpper displaySize blockOrder sweepToFill allOrNone minQty ocaType
    eTradeOnly firmQuoteOnly nbboPriceCap parentId triggerMethod volatility volatilityType
    deltaNeutralOrderType deltaNeutralAuxPrice deltaNeutralConId deltaNeutralSettlingFirm
    deltaNeutralClearingAccount deltaNeutralClearingIntent deltaNeutralOpenClose
    deltaNeutralShortSale deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation
    continuousUpdate referencePriceType trailStopPrice trailingPercent basisPoints
    basisPointsType comboLegsDescrip nLegs nOrderLegs nComboParams scaleInitLevelSize
    scaleSubsLevelSize scalePriceIncrement hedgeType optOutSmartRouting clearingAccount
    clearingIntent notHeld deltaNeutral algoStrategy solicited whatIf status initMarginBefore
    maintMarginBefore equityWithLoanBefore initMarginChange maintMarginChange
    equityWithLoanChange initMarginAfter maintMarginAfter equityWithLoanAfter commission
    minCommission maxCommission commissionCurrency warningText randomizeSize randomizePrice
    nConditions adjustedOrderType triggerPrice adjustedTrailStopPrice lmtPriceOffset
    adjustedStopPrice adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit
    softDollarName softDollarValue softDollarDisplayName cashQty dontUseAutoPriceForHedge
    isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo duration postToAts
    autoCancelParent minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole
    midOffsetAtHalf"""
)

#: completedOrder (101): no order id and no client id; only four delta-neutral fields.
COMPLETED_ORDER = _names(
    f"""{_CONTRACT} exchange currency localSymbol tradingClass action totalQuantity orderType
    lmtPrice auxPrice tif ocaGroup account openClose origin orderRef permId outsideRth hidden
    discretionaryAmt goodAfterTime faGroup faMethod faPercentage modelCode goodTillDate
    completedRule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode
    startingPrice
    stockRefPrice delta stockRangeLower stockRangeUpper displaySize sweepToFill allOrNone
    minQty ocaType triggerMethod volatility volatilityType deltaNeutralOrderType
    deltaNeutralAuxPrice deltaNeutralConId deltaNeutralShortSale deltaNeutralShortSaleSlot
    deltaNeutralDesignatedLocation continuousUpdate referencePriceType trailStopPrice
    trailingPercent comboLegsDescrip nLegs nOrderLegs nComboParams scaleInitLevelSize
    scaleSubsLevelSize scalePriceIncrement hedgeType clearingAccount clearingIntent notHeld
    deltaNeutral algoStrategy solicited status randomizeSize randomizePrice nConditions
    completedTrailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge isOmsContainer
    autoCancelDate filledQuantity refFuturesConId autoCancelParent shareholder imbalanceOnly
    routeMarketableToBbo parentPermId completedTime completedStatus minTradeQty minCompeteSize
    competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"""
)

#: What the server shows where neither the order nor its state says anything; else ''.
#: As in the completedOrder frame a real gateway sent (ThomasMarcelis/ibkr-go,
#: testdata/transcripts/completed_orders_cancelled_system_live.txt).
DEFAULTS: dict[str, str] = {
    **dict.fromkeys(
        _names("""origin permId outsideRth hidden discretionaryAmt shortSaleSlot auctionStrategy
        blockOrder sweepToFill allOrNone eTradeOnly firmQuoteOnly parentId triggerMethod
        volatilityType deltaNeutralConId deltaNeutralShortSale deltaNeutralShortSaleSlot
        continuousUpdate referencePriceType nLegs nOrderLegs nComboParams optOutSmartRouting
        notHeld deltaNeutral solicited whatIf randomizeSize randomizePrice nConditions
        adjustableTrailingUnit isOmsContainer
        discretionaryUpToLimitPrice usePriceMgmtAlgo autoCancelParent filledQuantity
        imbalanceOnly routeMarketableToBbo parentPermId cashQty"""),
        "0",
    ),
    **dict.fromkeys(
        _names("displaySize scaleInitLevelSize scaleSubsLevelSize refFuturesConId"),
        UNSET_INTEGER,
    ),
    **dict.fromkeys(
        _names("""initMarginBefore maintMarginBefore equityWithLoanBefore initMarginChange
        maintMarginChange equityWithLoanChange initMarginAfter maintMarginAfter
        equityWithLoanAfter triggerPrice adjustedTrailStopPrice completedTrailStopPrice
        lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice
        adjustedTrailingAmount"""),
        UNSET_DOUBLE,
    ),
    "completedRule80A": "0",
    "dontUseAutoPriceForHedge": "1",
    "exemptCode": "-1",
    "ocaType": "3",
    "clearingIntent": "IB",
    "deltaNeutralOrderType": "None",
    "deltaNeutralOpenClose": "?",
    "adjustedOrderType": "None",
    "shareholder": "Not an insider or substantial shareholder",
}

#: Fields of placeOrder that are only shown again, if a client set them. A client that reads a
#: word or a fraction where it expects an integer may die of it, so the three are kept apart.
ECHOED_WORDS = _names(
    "exchange openClose modelCode rule80A settlingFirm clearingAccount clearingIntent"
)
ECHOED_PRICES = _names("discretionaryAmt percentOffset trailStopPrice trailingPercent")
ECHOED_INTEGERS = _names(
    """origin displaySize triggerMethod hidden blockOrder sweepToFill minQty ocaType
    optOutSmartRouting notHeld solicited randomizeSize randomizePrice"""
)
