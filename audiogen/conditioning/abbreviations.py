"""What English writes short: titles, units, months, acronyms; tables only."""

ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "mx": "mix", "messrs": "messers", "prof": "professor",
    "jr": "junior", "sr": "senior", "gen": "general", "col": "colonel", "maj": "major", "capt": "captain",
    "cpt": "captain", "cmdr": "commander", "lt": "lieutenant", "sgt": "sergeant", "cpl": "corporal", "pvt": "private",
    "adm": "admiral", "rev": "reverend", "hon": "honorable", "gov": "governor", "sen": "senator",
    "rep": "representative", "pres": "president", "supt": "superintendent", "mt": "mount", "ft": "fort",
    "ave": "avenue", "blvd": "boulevard", "rd": "road", "hwy": "highway", "apt": "apartment", "bldg": "building",
    "vs": "versus", "etc": "et cetera", "inc": "incorporated", "ltd": "limited", "corp": "corporation",
    "co": "company", "bros": "brothers", "dept": "department", "univ": "university", "assn": "association",
    "est": "established", "approx": "approximately", "misc": "miscellaneous", "min": "minimum", "max": "maximum",
    "avg": "average", "ca": "circa", "cf": "compare", "viz": "namely", "al": "al", "ed": "editor", "eds": "editors",
    "vol": "volume", "vols": "volumes", "p": "page", "fig": "figure", "figs": "figures", "eq": "equation",
    "ch": "chapter", "sec": "section", "pp": "pages", "tel": "telephone", "jan": "january", "feb": "february",
    "mar": "march", "apr": "april", "jun": "june", "jul": "july", "aug": "august", "sep": "september",
    "sept": "september", "oct": "october", "nov": "november", "dec": "december", "mon": "monday", "tue": "tuesday",
    "tues": "tuesday", "wed": "wednesday", "thu": "thursday", "thur": "thursday", "thurs": "thursday",
    "fri": "friday", "sat": "saturday", "sun": "sunday", "oz": "ounces", "lb": "pounds", "lbs": "pounds",
    "yd": "yards", "dr": "doctor", "st": "saint", "no": "number", "nos": "numbers", "e.g": "for example",
    "i.e": "that is", "ph.d": "P H D", "m.d": "M D", "b.c": "B C", "a.d": "A D", "p.s": "P S", "d.c": "D C",
}  # fmt: skip
"""Abbreviation without its last dot -> what is said; capitals are spelled. With a dot behind they stand for this."""
TITLES = frozenset(
    "mr mrs ms mx messrs prof gen col maj capt cpt cmdr lt sgt cpl pvt adm rev hon gov sen rep pres supt mt dr st no "
    "nos vs cf e.g i.e fig figs vol eq ch sec p pp ca approx jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
"""Abbreviations that something follows, so that their dot never ends a sentence."""
ONLY_BEFORE_NUMBER = frozenset("p no nos mar jun jul sec ch ed eq fig min max vol sun sat mon wed".split())
"""These are words too: with a dot, they are abbreviations only before (or, for units, after) a number."""
AFTER_NUMBER = frozenset("min max sec oz lb lbs yd ft".split())

UNITS = {
    "%": ("percent", "percent"), "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"), "°": ("degree", "degrees"),
    "km/h": ("kilometer per hour", "kilometers per hour"), "kph": ("kilometer per hour", "kilometers per hour"),
    "m/s": ("meter per second", "meters per second"), "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "nm": ("nanometer", "nanometers"), "m": ("meter", "meters"), "ft": ("foot", "feet"), "yd": ("yard", "yards"),
    "mi": ("mile", "miles"), "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"), "L": ("liter", "liters"), "GHz": ("gigahertz", "gigahertz"),
    "MHz": ("megahertz", "megahertz"), "kHz": ("kilohertz", "kilohertz"), "Hz": ("hertz", "hertz"),
    "KB": ("kilobyte", "kilobytes"), "kB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"), "TB": ("terabyte", "terabytes"),
    "kbps": ("kilobit per second", "kilobits per second"), "Mbps": ("megabit per second", "megabits per second"),
    "dB": ("decibel", "decibels"), "kW": ("kilowatt", "kilowatts"), "W": ("watt", "watts"), "V": ("volt", "volts"),
    "ms": ("millisecond", "milliseconds"), "sec": ("second", "seconds"), "min": ("minute", "minutes"),
    "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "K": ("thousand", "thousand"), "k": ("thousand", "thousand"),
    "M": ("million", "million"), "B": ("billion", "billion"), "bn": ("billion", "billion"),
}  # fmt: skip
"""Unit behind a number -> what is said for one and for several."""
MAGNITUDES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "b": "billion",
    "bn": "billion",
    "t": "trillion",
    "tn": "trillion",
}

MONTHS = "january february march april may june july august september october november december".split()

SPELLED = frozenset(
    "US UK EU UN USA UAE AI IT ID PC TV CD DVD HD PR HR VP ER AM PM PA LA DC NY SF PS PT IQ MD AC DJ EP HIV IPO "
    "ADHD ATM BBC CBS ABC NBC CNN FBI CIA NSA CEO CFO CTO GPS USB URL API CPU GPU RPM DIY FAQ SOS VIP MIT UCLA "
    "ETA IRS".split()
)
"""Capitals that are spelled although some are words too."""
STARTERS = frozenset(
    "the a an it he she they we i you but and so in on at this that there if when what who then however his her".split()
)
"""Words that begin sentences more often than they are names."""
COUNTED = frozenset(
    "chapter part volume book act scene section phase type class level grade figure table appendix title article war "
    "mark stage lesson unit round bowl season episode version".split()
)
"""Before a Roman numeral that is read as a plain number: World War II."""
RULERS = frozenset(
    "henry george louis elizabeth charles james edward richard william john paul pius philip napoleon peter catherine "
    "frederick leo gregory benedict clement innocent urban alexander nicholas francis ferdinand olav christian".split()
)
"""Before a Roman numeral that is read as an ordinal: Henry VIII."""
SYMBOLS = {
    "&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "°": "degrees", "§": "section", "×": "times",
    "÷": "divided by", "<": "less than", ">": "greater than", "±": "plus or minus", "≈": "about", "$": "dollars",
    "£": "pounds", "€": "euros", "#": "hash", "/": "slash", "≤": "at most", "≥": "at least", "≠": "is not",
    "√": "square root of", "∞": "infinity", "¢": "cents",
}  # fmt: skip
